// What the numbers of a cell say, in words.

const NAMES = { f: "forget gate", i: "input gate", o: "output gate", r: "reset gate", u: "update gate" };

/** Return the name of a gate in words. */
export function nameGate(gate) {
  return NAMES[gate] ?? `gate ${gate}`;
}

// Upper bounds of a gate's value, and how much passes through it.
const SHARES = [[0.05, "almost nothing"], [0.3, "little"], [0.7, "about half"], [0.95, "most"], [
  Infinity,
  "nearly all",
]];

function shareOf(value) {
  return SHARES.find(([bound]) => value < bound)[1];
}

/**
 * Return a sentence about the gates of a unit.
 *
 * @param numbers Map: name of a quantity → its value
 */
export function describeGates(numbers) {
  if (![...numbers.values()].every(Number.isFinite)) return "The network computes numbers that are not finite.";
  const number = (name) => numbers.get(name).toFixed(2);
  const share = (name) => shareOf(numbers.get(name));
  if (["f", "i", "o"].every((name) => numbers.has(name))) {
    return `Forget gate ${number("f")}: keeps ${share("f")} of its memory. Input gate ${number("i")}: writes ${
      share("i")
    } ` +
      `of the candidate. Output gate ${number("o")}: shows ${share("o")} of its memory.`;
  }
  if (["r", "u"].every((name) => numbers.has(name))) {
    return `Update gate ${number("u")}: keeps ${share("u")} of its hidden state. Reset gate ${
      number("r")
    }: the candidate ` +
      `reads ${share("r")} of what comes from the hidden state before.`;
  }
  return "";
}

/** Return what happens to the memory of an LSTM unit in one step: it grows, shrinks, turns or stays. */
export function describeMemory(before, after) {
  if (before === undefined || after === undefined) return "";
  const [from, to] = [Math.tanh(before), Math.tanh(after)];
  if (Math.abs(to - from) < 0.05) return "The memory stays as it was.";
  if (from * to < 0 && Math.abs(to) > 0.1) return "The memory changes its sign.";
  return Math.abs(to) > Math.abs(from) ? "The memory becomes stronger." : "The memory becomes weaker.";
}
