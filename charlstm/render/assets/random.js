// The random numbers of `charlstm sample`: with the same random seed the page samples the same characters.
//
// NumPy's seed sequence mixes the random seed and the purpose into 256 bits, in 32-bit words (its hashes are from
// O'Neill 2015, "Developing a seed_seq alternative"). They start the generator PCG64, XSL-RR 128/64 (O'Neill 2014, "PCG:
// a family of simple fast space-efficient statistically good algorithms for random number generation"):
//
//     state  ← state · multiplier + increment      modulo 2¹²⁸
//     output = rotate(high ⊕ low, state / 2¹²²)    64 bits, from the two halves of the state
//     uniform = ⌊output / 2¹¹⌋ / 2⁵³               in [0, 1)

const SAMPLE_PURPOSE = [5, 0]; // `Purpose.SAMPLE` in charlstm/base/randomness.py, and the first stream

const POOL_WORDS = 4;
const POOL_HASH = { start: 0x43b0d7e5, multiplier: 0x931e8875 };
const STATE_HASH = { start: 0x8b51f9dd, multiplier: 0x58f38ded };
const MIX_LEFT = 0xca01f9dd;
const MIX_RIGHT = 0x4973f715;
const PCG_MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/**
 * Return a function that returns the next uniform number, a float64 in [0, 1), at each call.
 *
 * @param seed the user's random seed: a BigInt or a safe integer, 0 or more
 */
export function sampleStream(seed) {
  const nextWord = seedPcg64(stateWords(mixPool(entropyWords(BigInt(seed))), 8));
  return () => Number(nextWord() >> 11n) / 2 ** 53;
}

/** Return the words of 32 bits, the lowest first, of a seed and of what its numbers are for. */
function entropyWords(seed) {
  if (seed < 0n) throw new RangeError("the random seed must be 0 or more");
  const words = [];
  for (let rest = seed; rest > 0n; rest >>= 32n) words.push(Number(rest & 0xffffffffn));
  while (words.length < POOL_WORDS) words.push(0);
  return [...words, ...SAMPLE_PURPOSE];
}

/** Return a hash of words, whose constant changes from word to word. */
function wordHash({ start, multiplier }) {
  let constant = start;
  return (word) => {
    const salted = word ^ constant;
    constant = Math.imul(constant, multiplier);
    return foldHigh(Math.imul(salted, constant));
  };
}

/** Return x ⊕ ⌊x / 2¹⁶⌋ of a 32-bit word. */
function foldHigh(x) {
  return (x ^ (x >>> 16)) >>> 0;
}

/** Return a pool of words, each of which depends on every bit of the entropy. */
function mixPool(entropy) {
  const hash = wordHash(POOL_HASH);
  const pool = entropy.slice(0, POOL_WORDS).map(hash);
  const stir = (to, word) => {
    pool[to] = foldHigh(Math.imul(MIX_LEFT, pool[to]) - Math.imul(MIX_RIGHT, hash(word)));
  };
  for (let from = 0; from < POOL_WORDS; from++) {
    for (let to = 0; to < POOL_WORDS; to++) if (from !== to) stir(to, pool[from]);
  }
  for (const word of entropy.slice(POOL_WORDS)) {
    for (let to = 0; to < POOL_WORDS; to++) stir(to, word);
  }
  return pool;
}

/** Return as many 32-bit words as a generator needs for its state. */
function stateWords(pool, count) {
  const hash = wordHash(STATE_HASH);
  return Array.from({ length: count }, (_, k) => hash(pool[k % POOL_WORDS]));
}

/** Return a function that returns the next 64 random bits, as a BigInt, from a state of eight 32-bit words. */
function seedPcg64(words) {
  const pair = (k) => BigInt(words[k]) | (BigInt(words[k + 1]) << 32n);
  const [first, stream] = [(pair(0) << 64n) | pair(2), (pair(4) << 64n) | pair(6)];
  const increment = (stream << 1n) | 1n;
  const advance = (state) => BigInt.asUintN(128, state * PCG_MULTIPLIER + increment);
  let state = advance(advance(0n) + first);
  return () => {
    state = advance(state);
    const halves = BigInt.asUintN(64, (state >> 64n) ^ state);
    const turn = state >> 122n;
    return BigInt.asUintN(64, (halves >> turn) | (halves << (64n - turn)));
  };
}
