"use strict";
// The data of the page, and the format of its numbers.

const known = JSON.parse(document.getElementById("data").textContent);
const ARRAYS = { uint32: Uint32Array, int32: Int32Array, float64: Float64Array };
const DIGITS = 3;

/** Unpack the arrays of a trace. */
async function unpacked(trace) {
  const deflated = bytesOf(trace.block, trace.letters).subarray(0, trace.size);
  trace.block = null; // free the largest text of the page
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const block = new Uint8Array(await new Response(stream).arrayBuffer());
  const arrays = {};
  for (const [name, [type, start, length]] of Object.entries(trace.arrays)) {
    arrays[name] = numbersOf(block.subarray(start), ARRAYS[type], length);
  }
  for (const { layer, name, bits } of trace.quantities) {
    const whole = arrays[`${layer}/${name}`];
    arrays[`${layer}/${name}`] = whole ? Float32Array.from(whole, (value) => value / 2 ** bits) : hiddenState(...trace.factors.map((factor) => arrays[`${layer}/${factor}`]));
  }
  const { length } = arrays.text;
  const quantities = trace.quantities.map((quantity) => {
    const name = `${quantity.layer}/${quantity.name}`;
    return { ...quantity, values: arrays[name], mean: meanOf(arrays[name], length), order: arrays[`${name}/order`] };
  });
  return { ...trace, ...arrays, quantities, length };
}

/** Decode letters into bytes: five digits of base 85 are four bytes. */
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

/** Decode numbers that are stored with the lowest bytes of all of them first. */
function numbersOf(bytes, Type, length) {
  const size = Type.BYTES_PER_ELEMENT;
  const own = new Uint8Array(size * length);
  for (let place = 0; place < size; place++) {
    for (let n = 0; n < length; n++) own[n * size + place] = bytes[place * length + n];
  }
  return new Type(own.buffer);
}

/** Return h = o ⊙ tanh(c). */
function hiddenState(o, c) {
  return o.map((gate, k) => gate * Math.tanh(c[k]));
}

/** Return the mean over all units at every character; the values are stored unit by unit. */
function meanOf(values, length) {
  const mean = new Float64Array(length);
  for (let k = 0; k < values.length; k++) mean[k % length] += values[k];
  return mean.map((sum) => (sum * length) / values.length);
}

/** Format a number, with a sign if it may be below zero, and without a minus on a zero. */
function number(value, signed) {
  const written = Math.abs(value).toFixed(DIGITS);
  const below = value < 0 && Number(written) !== 0;
  return below ? `−${written}` : signed ? `+${written}` : written;
}

/** Return a character, or its escape if it cannot be shown alone. */
function sign(trace, codePoint) {
  return trace.signs[codePoint] ?? String.fromCodePoint(codePoint);
}

/** Format a share as a percentage. */
function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

/** Build an HTML element with properties and contents; strings become text. */
function element(name, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...inside);
  return made;
}

/** Build an SVG element with attributes and contents. */
function drawn(name, attributes = {}, ...inside) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

/** Save a text as a file. */
function save(name, type, pieces) {
  const address = URL.createObjectURL(new Blob(pieces, { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Return a line of CSV; cells with commas, quotes or line breaks are quoted. */
function csvLine(cells) {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell)).join(",")}\n`;
}
