// Numbers as the page stores them, and as it shows them.

const DIGITS = 3;
const DECODED_AT_ONCE = 1 << 18; // numbers that are decoded in one task

/** Unpack the arrays of a block: letters of base 85 → name → Float32Array. `places` has name → [start, size]. */
export async function unpackArrays(text, { letters, size, places }) {
  const deflated = (await bytesOf(text, letters)).subarray(0, size);
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const block = new Uint8Array(await new Response(stream).arrayBuffer());
  const arrays = {};
  for (const [name, [start, length]] of Object.entries(places)) {
    arrays[name] = await floatsOf(block.subarray(start, start + 4 * length), length);
  }
  return arrays;
}

/** Wait for the next task, so that the page can answer the user in between. */
export function nextTask() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
}

/** Decode letters into bytes: five digits of base 85 are four bytes. */
async function bytesOf(text, letters) {
  const digits = new Uint8Array(128);
  for (let digit = 0; digit < letters.length; digit++) digits[letters.charCodeAt(digit)] = digit;
  const words = new DataView(new ArrayBuffer((text.length / 5) * 4));
  await inPieces(text.length / 5, (from, to) => {
    for (let k = from; k < to; k++) {
      let word = 0;
      for (let n = 5 * k; n < 5 * k + 5; n++) word = word * 85 + digits[text.charCodeAt(n)];
      words.setUint32(4 * k, word);
    }
  });
  return new Uint8Array(words.buffer);
}

/** Decode numbers that are stored with the lowest bytes of all of them first. */
async function floatsOf(bytes, length) {
  const own = new Uint8Array(4 * length);
  await inPieces(length, (from, to) => {
    for (let place = 0; place < 4; place++) {
      for (let n = from; n < to; n++) own[n * 4 + place] = bytes[place * length + n];
    }
  });
  return new Float32Array(own.buffer);
}

/** Call `work(from, to)` for one piece after another of what a count enumerates; each piece is a task of its own. */
async function inPieces(count, work) {
  for (let from = 0; from < count; from += DECODED_AT_ONCE) {
    work(from, Math.min(count, from + DECODED_AT_ONCE));
    await nextTask();
  }
}

/** Format a number, with a sign if it may be below zero, and without a minus on a zero. */
export function formatNumber(value, signed) {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const written = Math.abs(value).toFixed(DIGITS);
  const below = value < 0 && Number(written) !== 0;
  return below ? `−${written}` : signed ? `+${written}` : written;
}

/** Format a share as a percentage. */
export function percent(share) {
  return Number.isNaN(share) ? "–" : `${(100 * share).toFixed(1)}%`;
}

/** Format a whole number with commas; the browser's own formatter takes 20 ms when it is called for the first time. */
export function formatWhole(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Format a number of items: "1 character", "2 characters". */
export function countOf(count, noun) {
  return `${formatWhole(count)} ${noun}${count === 1 ? "" : "s"}`;
}
