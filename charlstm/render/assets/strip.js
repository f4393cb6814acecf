// The text as a strip of characters: each has a shade, one is the position, some are selected.

import { countEqual, END, showInText } from "./characters.js";
import { element } from "./dom.js";

const AT_ONCE = 400; // characters that are added to the page in one task
const LINE_ENDS = [10, END]; // a document begins on a line of its own

/** The strip. It keeps one element per character; `shadeOf(n)` returns the class of the shade of a character. */
export class Strip {
  /** @param box the element; `shadeOf` is called for every character that is added. */
  constructor(box, description, shadeOf) {
    Object.assign(this, {
      box,
      description,
      shadeOf,
      cells: [],
      text: new Int32Array(0),
      ids: null,
      position: 0,
      span: [0, 0],
      begins: new Set(), // characters at which an intervention begins
    });
  }

  /**
   * Replace the text: only the characters that differ are built again; a long text is built in pieces. Nothing is marked
   * as the position or selected until `mark` and `select` are called.
   */
  edit(text, ids) {
    const old = this.text;
    this.cells[this.position]?.classList.remove("here");
    for (const cell of this.cells.slice(...this.span)) cell.classList.remove("in");
    Object.assign(this, { position: -1, span: [0, 0] });
    const most = Math.min(old.length, text.length, this.cells.length);
    const start = countEqual(old, text, most);
    let same = 0; // characters at the end that stay
    if (this.cells.length === old.length) {
      while (same < most - start && old[old.length - 1 - same] === text[text.length - 1 - same]) same++;
    }
    const removed = this.cells.splice(start, this.cells.length - same - start);
    for (const cell of removed) {
      if (cell.nextSibling?.tagName === "BR") cell.nextSibling.remove();
      cell.remove();
    }
    Object.assign(this, { text, ids });
    const pieces = Math.min(text.length - same, start + AT_ONCE);
    this.insert(start, pieces);
    if (pieces < text.length - same) {
      for (const cell of this.cells.splice(pieces)) cell.remove(); // the rest is built anew, piece by piece
      this.box.querySelectorAll(":scope > br").forEach((br) => br.previousSibling?.place === undefined && br.remove());
      this.grow();
    }
    if (same) { for (let n = start; n < this.cells.length; n++) this.cells[n].place = n; }
  }

  /** Build the next piece of a long text, one in a frame. */
  grow() {
    const { text } = this;
    requestAnimationFrame(() => {
      if (this.text !== text || this.cells.length >= text.length) return;
      this.insert(this.cells.length, Math.min(text.length, this.cells.length + AT_ONCE));
      this.grow();
    });
  }

  insert(start, stop) {
    const made = [];
    const nodes = [];
    for (let n = start; n < stop; n++) {
      const unknown = this.ids[n] < 0;
      const cell = element("span", { textContent: showInText(this.description, this.text[n]), place: n });
      if (unknown) cell.title = "The model does not know this character.";
      made.push(cell);
      nodes.push(cell, ...(LINE_ENDS.includes(this.text[n]) ? [element("br")] : []));
    }
    const next = this.cells[start];
    if (next) next.before(...nodes);
    else this.box.append(...nodes);
    this.cells.splice(start, 0, ...made);
    this.paint(start, stop);
  }

  /** Shade some characters again. */
  paint(start = 0, stop = this.cells.length) {
    const [from, until] = this.span;
    for (let n = start; n < Math.min(stop, this.cells.length); n++) {
      const classes = [this.shadeOf(n)];
      if (this.ids[n] < 0) classes.push("unknown");
      if (n === this.position) classes.push("here");
      if (this.begins.has(n)) classes.push("begins");
      if (n >= from && n < until) classes.push("in");
      const name = classes.filter(Boolean).join(" ");
      if (this.cells[n].className !== name) this.cells[n].className = name;
    }
  }

  /** Mark a character as the position and bring it into sight. */
  mark(n) {
    this.cells[this.position]?.classList.remove("here");
    this.position = n;
    const cell = this.cells[n];
    if (!cell) return;
    cell.classList.add("here");
    const over = cell.offsetTop + cell.offsetHeight + 12 - this.box.clientHeight;
    this.box.scrollTop = Math.max(over, Math.min(cell.offsetTop - 12, this.box.scrollTop));
  }

  /** Mark the characters from `start` to before `stop` as selected. */
  select(start, stop) {
    const [first, last] = [Math.min(start, this.span[0]), Math.max(stop, this.span[1])];
    this.span = [start, stop];
    this.paint(first, last);
  }

  /** Return the character at a point of the window. */
  at(x, y) {
    return document.elementFromPoint(x, y)?.place;
  }
}
