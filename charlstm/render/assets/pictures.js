// A picture of one quantity of all units at all characters. It is painted in pieces and in steps of a few ms.

import { element } from "./dom.js";

const PIECE = 1024; // characters of a piece; browsers refuse images wider than about 16,000 pixels
const BLOCK = 64; // characters that are painted in one step
const REACH = 8; // values beyond it have the same colour, because their tanh is almost the same
const TONES = 1 << 12; // on either side of zero

/**
 * Return the colours of the values from −8 to 8, each as one 32-bit word; the last one is transparent.
 *
 * @param colours [middle, high, low], each [red, green, blue]
 * @param quantity as `quantitiesOf` returns it
 */
function coloursOf([middle, high, low], { shown }) {
  const words = new Uint32Array(2 * TONES + 2);
  for (let tone = 0; tone <= 2 * TONES; tone++) {
    const strength = Math.max(-1, Math.min(1, shown((REACH * (tone - TONES)) / TONES)));
    const end = strength < 0 ? low : high;
    const mix = (k) => Math.round(middle[k] + (end[k] - middle[k]) * Math.abs(strength));
    words[tone] = (255 << 24) | (mix(2) << 16) | (mix(1) << 8) | mix(0);
  }
  return words;
}

/** Return the place of the colour of a value. What is not a number is transparent. */
function toneOf(value) {
  if (value >= REACH) return 2 * TONES;
  if (value <= -REACH) return 0;
  return Number.isNaN(value) ? 2 * TONES + 1 : Math.round((value + REACH) * (TONES / REACH));
}

/** The picture: a column for each character, a row for each unit. It has only the characters that were painted. */
export class UnitPicture {
  /**
   * @param reading
   * @param quantity as `quantitiesOf` returns it
   * @param order the H units from the first row to the last
   * @param colours of the theme: [middle, high, low]
   */
  constructor(reading, quantity, order, colours) {
    Object.assign(this, { reading, quantity, order: Uint32Array.from(order), pieces: [] });
    this.colours = coloursOf(colours, quantity);
    this.block = new ImageData(BLOCK, order.length);
  }

  /** Forget the characters from one on. */
  forget(from) {
    this.pieces.length = Math.min(this.pieces.length, Math.ceil(this.reading.length / PIECE));
    this.pieces.forEach((piece, k) => (piece.painted = Math.min(piece.painted, Math.max(0, from - k * PIECE))));
  }

  /** Paint the characters from `first` to `last` − 1 that are read, until a time has come. Return whether all are painted. */
  paint(first, last, deadline) {
    const end = Math.min(this.reading.done, Math.ceil(last));
    for (let k = Math.floor(first / PIECE); k * PIECE < end; k++) {
      this.pieces[k] ??= { canvas: element("canvas", { width: PIECE, height: this.order.length }), painted: 0 };
      while (k * PIECE + this.pieces[k].painted < Math.min(end, (k + 1) * PIECE)) {
        if (performance.now() >= deadline) return false;
        this.paintBlock(k, end);
      }
    }
    return true;
  }

  /** Paint a few more characters of a piece, up to the character `end` − 1. */
  paintBlock(k, end) {
    const { block, pieces: { [k]: piece }, quantity, order, reading, colours } = this;
    const points = new Uint32Array(block.data.buffer);
    const from = piece.painted;
    const count = Math.min(BLOCK, PIECE - from, end - k * PIECE - from);
    for (let column = 0; column < count; column++) {
      const values = reading.values(quantity, k * PIECE + from + column);
      for (let row = 0; row < order.length; row++) points[row * BLOCK + column] = colours[toneOf(values[order[row]])];
    }
    piece.canvas.getContext("2d").putImageData(block, from, 0, 0, 0, count, order.length);
    piece.painted += count;
  }

  /**
   * Draw a part of what is painted.
   *
   * @param context
   * @param view { x, y, across, down }: the first character and row, and the pixels of each
   * @param width of the part in pixels
   * @param height
   */
  draw(context, view, width, height) {
    const last = view.x + width / view.across;
    const rows = Math.min(this.order.length - view.y, height / view.down);
    for (let k = Math.floor(view.x / PIECE); k * PIECE < last; k++) {
      const piece = this.pieces[k];
      const from = Math.max(0, view.x - k * PIECE);
      const count = Math.min(piece?.painted ?? 0, last - k * PIECE) - from;
      if (count <= 0) continue;
      const x = (k * PIECE + from - view.x) * view.across;
      context.drawImage(piece.canvas, from, view.y, count, rows, x, 0, count * view.across, rows * view.down);
    }
  }
}
