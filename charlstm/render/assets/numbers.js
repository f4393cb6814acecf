"use strict";
// What the page holds, and numbers as people read them.

const known = JSON.parse(document.getElementById("data").textContent);
const ARRAYS = { uint32: Uint32Array, int16: Int16Array, float64: Float64Array };

/** Unpack a trace: its arrays by name, views of one block. */
async function unpacked(trace) {
  const packed = atob(trace.block);
  const bytes = new Uint8Array(packed.length);
  for (let n = 0; n < packed.length; n++) bytes[n] = packed.charCodeAt(n);
  trace.block = null; // the largest text of the page is needed no more
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const block = await new Response(stream).arrayBuffer();
  const arrays = {};
  for (const [name, [type, start, length]] of Object.entries(trace.arrays)) {
    arrays[name] = new ARRAYS[type](block, start, length);
  }
  const length = arrays.text.length;
  const quantities = trace.quantities.map((quantity) => {
    const name = `${quantity.layer}/${quantity.name}`;
    const scale = 10 ** quantity.digits;
    return { ...quantity, scale, values: arrays[name], mean: arrays[`${name}/mean`], order: arrays[`${name}/order`] };
  });
  return { ...trace, ...arrays, arrays, quantities, length };
}

/** A number with its sign where it may be below zero, and no sign on a zero. */
function number(value, digits, signed) {
  const written = Math.abs(value).toFixed(Math.max(0, digits));
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
