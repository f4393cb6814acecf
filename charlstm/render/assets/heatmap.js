// The heat map: all units of a layer at all characters of a text, with a view that zooms and moves.

import { formatWhole } from "./numbers.js";
import { showCharacter } from "./characters.js";
import { UnitPicture } from "./pictures.js";

const FOOT = 22; // height of the characters below the map
const NEAREST = 48; // the most pixels of a character or unit
const ZOOM_STEP = 1.5; // of a key or a button
const PAINTING = 6; // ms of a frame
const LEAST_LABELLED = 11; // height in pixels of a row whose unit is labelled
const MARKER = 8; // pixels of the marker of an intervention

/** The heat map on a canvas. A click or a key calls `chosen(unit, n)`, a move of the mouse over a value `moved(unit, n)`. */
export class HeatMap {
  /**
   * @param canvas
   * @param description the model
   * @param palette theme → colours [middle, high, low]
   * @param listeners { chosen(unit, n), moved(unit, n) }
   */
  constructor(canvas, description, palette, { chosen, moved }) {
    Object.assign(this, { canvas, description, palette, chosen, moved });
    Object.assign(this, {
      picture: null,
      unit: null,
      n: 0,
      interventions: [],
      waiting: false,
      width: 0,
      isWhole: true,
    });
    this.context = canvas.getContext("2d");
    this.view = { x: 0, y: 0, across: 1, down: 1 }; // the first character and row; the pixels of each
    new ResizeObserver(() => this.resized()).observe(canvas);
    this.listen();
  }

  /**
   * Show a quantity of a reading; call it again for another quantity, theme or reading.
   *
   * @param reading
   * @param quantity as `quantitiesOf` returns it
   * @param order the units from the first row to the last; by their numbers without it
   * @param theme "light" or "dark"
   */
  show(reading, quantity, order, theme) {
    this.order = order ?? Array.from({ length: this.description.hidden }, (_, unit) => unit);
    this.rowOf = new Uint32Array(this.order.length);
    this.order.forEach((unit, row) => (this.rowOf[unit] = row));
    Object.assign(this, { reading, quantity });
    this.picture = new UnitPicture(reading, quantity, this.order, this.palette[theme]);
    const style = getComputedStyle(this.canvas);
    [this.ink, this.card] = ["--ink", "--card"].map((name) => style.getPropertyValue(name).trim());
    this.changed();
  }

  /** Paint again from a character on: it and later ones were read or changed, or the text has another length. */
  update(from) {
    this.picture?.forget(from);
    this.changed();
  }

  /** Mark a unit, or none for null, and a character; if `follow`, the view moves to them. */
  mark(unit, n, follow) {
    Object.assign(this, { unit, n });
    if (follow) this.reveal();
    this.changed();
  }

  /** Mark the units of the layer on which there are interventions: a list of { layer, unit, … }. */
  showInterventions(list) {
    this.interventions = list;
    this.changed();
  }

  /** Follow the size of the canvas; also to call when a tab with the map opens. */
  resized() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return; // the tab is not open
    const density = globalThis.devicePixelRatio;
    Object.assign(this.canvas, { width: Math.round(box.width * density), height: Math.round(box.height * density) });
    Object.assign(this, { width: box.width, height: box.height - FOOT, density });
    this.changed();
  }

  /** Show the whole text and all units. */
  whole() {
    this.isWhole = true;
    this.changed();
  }

  /** Zoom around a point of the canvas; without one, around the chosen unit and character, or the centre. */
  zoom(factor, x, y) {
    if (!this.isShown) return;
    this.fit();
    const isAroundChosen = x === undefined && this.unit !== null;
    if (x === undefined) [x, y] = this.centreOfZoom();
    const { view, least } = this;
    const [n, row] = [view.x + x / view.across, view.y + y / view.down];
    const limited = (size, smallest) => Math.max(smallest, Math.min(Math.max(NEAREST, smallest), size));
    view.across = limited(view.across * factor, least.across);
    view.down = limited(view.down * factor, least.down);
    view.x = n - x / view.across;
    view.y = row - y / view.down;
    this.isWhole = view.across === least.across && view.down === least.down;
    if (isAroundChosen && factor > 1) this.reveal(); // it was outside the view, or is cut off at an edge
    this.changed();
  }

  /** Return the point that stays where it is in a zoom. */
  centreOfZoom() {
    const { view, width, height } = this;
    const centre = [width / 2, height / 2];
    if (this.unit === null) return centre;
    const x = (this.n + 0.5 - view.x) * view.across;
    const y = (this.rowOf[this.unit] + 0.5 - view.y) * view.down;
    return x >= 0 && x <= width && y >= 0 && y <= height ? [x, y] : centre;
  }

  pan(x, y) {
    this.view.x -= x / this.view.across;
    this.view.y -= y / this.view.down;
    this.changed();
  }

  /** Move the view until the marked character and unit are in it. */
  reveal() {
    const { view } = this;
    if (!this.isShown) return;
    const inside = (at, from, count) => (at < from ? at : at + 1 > from + count ? at + 1 - count : from);
    view.x = inside(this.n, view.x, this.width / view.across);
    if (this.unit !== null) view.y = inside(this.rowOf[this.unit], view.y, this.height / view.down);
  }

  /** Return the unit and the character at a point of the canvas, or null where nothing is read. */
  at(x, y) {
    if (!this.isShown || y >= this.height) return null;
    const n = Math.floor(this.view.x + x / this.view.across);
    const row = Math.floor(this.view.y + y / this.view.down);
    const isRead = n >= 0 && row >= 0 && n < this.reading.done && row < this.order.length;
    return isRead ? { unit: this.order[row], n } : null;
  }

  get isShown() {
    return this.width > 0 && this.picture !== null;
  }

  /** The pixels of a character and of a row in the view of the whole. */
  get least() {
    return { across: this.width / Math.max(1, this.reading.length), down: this.height / this.order.length };
  }

  /** Keep the view inside the map; the view of the whole follows the length of the text. */
  fit() {
    const { view, least, width, height } = this;
    if (this.isWhole) Object.assign(view, least);
    view.across = Math.max(view.across, least.across);
    view.down = Math.max(view.down, least.down);
    view.x = this.isWhole ? 0 : Math.max(0, Math.min(view.x, this.reading.length - width / view.across));
    view.y = this.isWhole ? 0 : Math.max(0, Math.min(view.y, this.order.length - height / view.down));
    this.canvas.classList.toggle("whole", this.isWhole); // there is nothing to drag: a finger scrolls the page
  }

  changed() {
    if (!this.isShown) return;
    this.fit();
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.isShown) this.drawNow();
    });
  }

  /** Draw at once, before the page is printed. */
  redraw() {
    if (this.isShown) this.drawNow();
  }

  /** Draw what is painted, after painting for a few ms; the rest follows in the next frames. */
  drawNow() {
    const { context, view, width, height, picture, ink, card } = this;
    const isPainted = picture.paint(view.x, view.x + width / view.across, performance.now() + PAINTING);
    context.setTransform(this.density, 0, 0, this.density, 0, 0);
    context.clearRect(0, 0, width, height + FOOT);
    context.imageSmoothingEnabled = view.across < 1 || view.down < 1;
    picture.draw(context, view, width, height);
    this.drawMarks(ink, card);
    if (view.down >= LEAST_LABELLED) this.drawUnits(ink, card);
    else if (this.unit !== null) this.drawChosen(ink, card);
    this.drawInterventions(ink, card);
    this.drawFoot(ink);
    if (!isPainted) this.draw();
  }

  /** Frame the column of the character and the row of the unit. */
  drawMarks(ink, card) {
    const { context, view, width, height } = this;
    const x = (this.n - view.x) * view.across;
    const y = this.unit === null ? -Infinity : (this.rowOf[this.unit] - view.y) * view.down;
    const across = Math.max(1, view.across - 1);
    for (const [colour, out] of [[card, 1], [ink, 0]]) { // two lines, so that one of them differs from every shade
      Object.assign(context, { strokeStyle: colour, lineWidth: 1 });
      context.strokeRect(x + 0.5 - out, 0.5, across + 2 * out, height - 1);
      if (y + view.down < 0 || y > height) continue;
      context.strokeRect(0.5, y - 0.5 - out, width - 1, Math.max(3, view.down + 1) + 2 * out);
    }
  }

  /** Write the number of the chosen unit where there is no room for those of all units. */
  drawChosen(ink, card) {
    const { context, view, height } = this;
    const middle = (this.rowOf[this.unit] + 0.5 - view.y) * view.down;
    if (middle < 0 || middle > height) return;
    Object.assign(context, { font: "12px ui-monospace, monospace", textAlign: "left", textBaseline: "middle" });
    const inside = Math.max(8, Math.min(height - 8, middle));
    context.fillStyle = ink;
    context.fillRect(2, inside - 8, context.measureText(String(this.unit)).width + 8, 16);
    context.fillStyle = card;
    context.fillText(this.unit, 6, inside + 0.5);
    context.textBaseline = "alphabetic";
  }

  /** Write the numbers of the units at the left edge. */
  drawUnits(ink, card) {
    const { context, view, height, order } = this;
    const size = Math.min(12, view.down - 1);
    Object.assign(context, { font: `${size}px ui-monospace, monospace`, textAlign: "right", textBaseline: "middle" });
    const width = context.measureText(String(order.length - 1)).width + 6;
    const last = Math.min(order.length, view.y + height / view.down);
    for (let row = Math.floor(view.y); row < last; row++) {
      const middle = (row + 0.5 - view.y) * view.down;
      const isChosen = order[row] === this.unit;
      context.fillStyle = isChosen ? ink : card;
      context.fillRect(2, middle - size / 2, width, size);
      context.fillStyle = isChosen ? card : ink;
      context.fillText(order[row], width - 1, middle + 0.5);
    }
    context.textBaseline = "alphabetic";
  }

  /** Put a triangle at the right edge of every row with an intervention. */
  drawInterventions(ink, card) {
    const { context, view, width, height, interventions, quantity } = this;
    const mine = interventions.filter(({ layer }) => layer === quantity.layer);
    for (const unit of new Set(mine.map((intervention) => intervention.unit))) {
      const middle = (this.rowOf[unit] + 0.5 - view.y) * view.down;
      if (middle < 0 || middle > height) continue;
      context.fillStyle = card;
      context.fillRect(width - MARKER - 4, middle - MARKER / 2 - 2, MARKER + 2, MARKER + 4);
      context.fillStyle = ink;
      context.beginPath();
      context.moveTo(width - MARKER - 2, middle);
      context.lineTo(width - 4, middle - MARKER / 2);
      context.lineTo(width - 4, middle + MARKER / 2);
      context.fill();
    }
  }

  /** Write the characters below the map, or positions where there is no room for characters. */
  drawFoot(ink) {
    const { context, view, width, height, description, reading: { text, length } } = this;
    Object.assign(context, { font: "12px ui-monospace, monospace", textAlign: "center", fillStyle: ink });
    if (view.across >= 8) {
      for (let n = Math.floor(view.x); n < Math.min(length, view.x + width / view.across); n++) {
        const shown = showCharacter(description, text[n]);
        if (shown.length < 3 || view.across > 8 * shown.length) {
          context.fillText(shown, (n - view.x + 0.5) * view.across, height + 15);
        }
      }
      return;
    }
    for (let k = 0; k <= 5; k++) {
      const n = Math.round(view.x + (k / 5) * (width / view.across - 1));
      context.textAlign = k === 0 ? "left" : k === 5 ? "right" : "center";
      context.fillText(formatWhole(n), (k / 5) * width, height + 15);
    }
  }

  listen() {
    const { canvas } = this;
    let held = null;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      held = { at: place(event), far: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      if (!held) {
        const found = this.at(x, y);
        if (found) this.moved(found.unit, found.n);
        return;
      }
      const [dx, dy] = [x - held.at[0], y - held.at[1]];
      held.far ||= Math.hypot(dx, dy) > 4;
      if (!held.far) return;
      this.pan(dx, dy);
      held.at = [x, y];
    });
    canvas.addEventListener("pointerup", (event) => {
      const found = held && !held.far && this.at(...place(event));
      held = null;
      if (found) this.chosen(found.unit, found.n);
    });
    canvas.addEventListener("pointercancel", () => (held = null));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // otherwise the wheel scrolls the page
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), ...place(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const keys = {
      ArrowUp: () => this.step(-1, 0),
      ArrowDown: () => this.step(1, 0),
      ArrowLeft: () => this.step(0, -1),
      ArrowRight: () => this.step(0, 1),
      "+": () => this.zoom(ZOOM_STEP),
      "=": () => this.zoom(ZOOM_STEP),
      "-": () => this.zoom(1 / ZOOM_STEP),
      0: () => this.whole(),
    };
    if (!Object.hasOwn(keys, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }

  /** Choose the unit so many rows below, and so many characters later; the first unit if none is chosen. */
  step(rows, characters) {
    if (!this.reading?.done) return;
    const row = this.unit === null ? 0 : this.rowOf[this.unit] + rows;
    const n = Math.max(0, Math.min(this.reading.done - 1, this.n + characters));
    this.chosen(this.order[Math.max(0, Math.min(this.order.length - 1, row))], n);
  }
}
