"use strict";
// What the page holds, and numbers as people read them.

const known = JSON.parse(document.getElementById("data").textContent);
const ARRAYS = { uint32: Uint32Array, int32: Int32Array, float64: Float64Array };
const DIGITS = 3;

/** Unpack a trace: its arrays by name. */
async function unpacked(trace) {
  const deflated = bytesOf(trace.block, trace.letters).subarray(0, trace.size);
  trace.block = null; // the largest text of the page is needed no more
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const block = new Uint8Array(await new Response(stream).arrayBuffer());
  const arrays = {};
  for (const [name, [type, start, length]] of Object.entries(trace.arrays)) {
    arrays[name] = numbersOf(block.subarray(start), ARRAYS[type], length);
  }
  for (const { layer, name, bits } of trace.quantities) {
    const whole = arrays[`${layer}/${name}`];
    arrays[`${layer}/${name}`] = whole ? Float32Array.from(whole, (value) => value / 2 ** bits) : shownBy(arrays[`${layer}/o`], arrays[`${layer}/c`]);
  }
  const { length } = arrays.text;
  const quantities = trace.quantities.map((quantity) => {
    const name = `${quantity.layer}/${quantity.name}`;
    return { ...quantity, values: arrays[name], mean: meanOf(arrays[name], length), order: arrays[`${name}/order`] };
  });
  return { ...trace, ...arrays, quantities, length };
}

/** The bytes that letters stand for: five digits of base 85 are four bytes. */
function bytesOf(text, letters) {
  const digits = new Uint8Array(128);
  for (let digit = 0; digit < letters.length; digit++) digits[letters.charCodeAt(digit)] = digit;
  const words = new DataView(new ArrayBuffer((text.length / 5) * 4));
  for (let k = 0; k < text.length / 5; k++) {
    let word = 0;
    for (let n = 5 * k; n < 5 * k + 5; n++) word = word * 85 + digits[text.charCodeAt(n)];
    words.setUint32(4 * k, word);
  }
  return new Uint8Array(words.buffer);
}

/** Numbers of which the lowest bytes come first, all of them, then the next. */
function numbersOf(bytes, Type, length) {
  const size = Type.BYTES_PER_ELEMENT;
  const own = new Uint8Array(size * length);
  for (let place = 0; place < size; place++) {
    for (let n = 0; n < length; n++) own[n * size + place] = bytes[place * length + n];
  }
  return new Type(own.buffer);
}

/** What the LSTM shows of its memory: h = o ⊙ tanh(c). */
function shownBy(o, c) {
  return o.map((gate, k) => gate * Math.tanh(c[k]));
}

/** At every character, the mean over all units, which stand one after another. */
function meanOf(values, length) {
  const mean = new Float64Array(length);
  for (let k = 0; k < values.length; k++) mean[k % length] += values[k];
  return mean.map((sum) => (sum * length) / values.length);
}

/** A number with its sign where it may be below zero, and no sign on a zero. */
function number(value, signed) {
  const written = Math.abs(value).toFixed(DIGITS);
  const below = value < 0 && Number(written) !== 0;
  return below ? `−${written}` : signed ? `+${written}` : written;
}

/** What stands for a character where it is shown alone. */
function sign(trace, codePoint) {
  return trace.signs[codePoint] ?? String.fromCodePoint(codePoint);
}

/** A share of one, in percent. */
function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

/** Make an element with properties, and what is in it; texts stay texts. */
function element(name, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...inside);
  return made;
}

/** The same for the elements of drawings, which take attributes. */
function drawn(name, attributes = {}, ...inside) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

/** Have the browser save a text as a file. */
function save(name, type, pieces) {
  const address = URL.createObjectURL(new Blob(pieces, { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** One line of CSV; what would begin a cell anew is quoted. */
function csvLine(cells) {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell)).join(",")}\n`;
}
