// Characters and texts: code points, what the page shows for them, and documents in a text that somebody types.

export const END = 0xffff; // the end symbol of a document
export const NEWLINE = 10;
const END_SIGN = "∎";
const CANNOT_BE_SHOWN = /[\p{C}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}]/u;

/** Return a character as the page shows it: itself, or an escape if it cannot be shown alone. */
export function showCharacter(description, point) {
  if (point in description.signs) return description.signs[point];
  if (point === 32) return "␣";
  const character = String.fromCodePoint(point);
  if (!CANNOT_BE_SHOWN.test(character) || description.vocabulary.includes(point)) return character;
  return `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Return the same in a running text, where a space stays a space. */
export function showInText(description, point) {
  return point === 32 ? " " : showCharacter(description, point);
}

/** Return a typed text as the model reads it: code points, with the end symbol for what separates documents. */
export function parseText(description, typed) {
  const { pattern, end, vocabulary } = description;
  const isKnown = (character) => vocabulary.includes(character.codePointAt(0));
  const symbol = String.fromCodePoint(END);
  let text = isKnown("\r") ? typed : typed.replace(/\r\n?/g, "\n");
  if (end === null) return pointsOf(text.replaceAll(symbol, "\n"));
  if (pattern !== null) text = text.replace(new RegExp(pattern, "g"), symbol);
  if (!isKnown(END_SIGN)) text = text.replaceAll(END_SIGN, symbol);
  return pointsOf(isKnown("\n") ? text : text.replaceAll("\n", symbol));
}

/** Return the code points of a text. */
export function pointsOf(text) {
  return Int32Array.from(text, (character) => character.codePointAt(0));
}

/**
 * Return code points as a text to type, with the separator of documents for the end symbol; with a sign for it if the
 * separator would be read as something else, such as one blank line after another.
 */
export function formatText(description, points) {
  const write = (end) => Array.from(points, (point) => (point === END ? end : String.fromCodePoint(point))).join("");
  const typed = write(description.separator ?? END_SIGN);
  const read = parseText(description, typed);
  if (read.length === points.length && countEqual(read, points, read.length) === read.length) return typed;
  return write(description.vocabulary.includes(END_SIGN.codePointAt(0)) ? String.fromCodePoint(END) : END_SIGN);
}

/** Return a part of a text on one line, with escapes. */
export function excerpt(description, text, start, stop) {
  const points = text.subarray(Math.max(0, start), Math.max(0, stop));
  return Array.from(points, (point) => showInText(description, point)).join("");
}

/** Return the number of characters, `most` at most, that are equal at the beginning of two texts of code points. */
export function countEqual(text, other, most) {
  if (text === other) return most;
  const last = Math.min(most, text.length, other.length);
  let same = 0;
  while (same < last && text[same] === other[same]) same++;
  return same;
}
