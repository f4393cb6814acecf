// All units at all characters: an image that is painted once, in pieces, and whose visible part is drawn.

const PIECE = 1024; // characters of a piece; browsers refuse images wider than about 16,000 pixels
const FOOT = 22; // height of the characters below the map
const NEAREST = 48; // the most pixels of a character or unit

const REACH = 8; // values beyond it have the same colour, because their tanh is almost the same
const TONES = 1 << 14; // on either side of zero

/** Return the colours of the values from −8 to 8, each as one 32-bit word. */
function coloursOf(trace, quantity, theme) {
  const [middle, high, low] = trace.palette[theme];
  return Uint32Array.from({ length: 2 * TONES + 1 }, (_, tone) => {
    const value = (REACH * (tone - TONES)) / TONES;
    const strength = Math.max(-1, Math.min(1, strengthOf(quantity.name, value)));
    const end = strength < 0 ? low : high;
    const [r, g, b] = middle.map((from, k) => Math.round(from + (end[k] - from) * Math.abs(strength)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

function toneOf(value) {
  return Math.round((TONES / REACH) * Math.max(-REACH, Math.min(REACH, value))) + TONES;
}

/** The heat map on a canvas. A click calls `chosen(unit, n)`, a move of the mouse over a value `moved(unit, n)`. */
class HeatMap {
  constructor(canvas, trace, chosen, moved) {
    Object.assign(this, { canvas, trace, chosen, moved, pieces: new Map(), unit: null, n: 0, waiting: false });
    this.context = canvas.getContext("2d");
    this.view = { x: 0, y: 0, across: 1, down: 1 };
    new ResizeObserver(() => this.resized()).observe(canvas);
    this.listen();
  }

  show(quantity, theme) {
    Object.assign(this, { quantity, theme, colours: coloursOf(this.trace, quantity, theme), pieces: new Map() });
    this.rowOf = new Uint32Array(this.trace.hidden);
    quantity.order.forEach((unit, row) => (this.rowOf[unit] = row));
    this.draw();
  }

  mark(unit, n, follow) {
    Object.assign(this, { unit, n });
    if (follow) this.reveal();
    this.draw();
  }

  resized() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return; // the tab is not open
    const density = window.devicePixelRatio;
    const fresh = this.canvas.width !== Math.round(box.width * density);
    Object.assign(this.canvas, { width: Math.round(box.width * density), height: Math.round(box.height * density) });
    Object.assign(this, { width: box.width, height: box.height - FOOT, density });
    if (fresh) this.whole();
    this.draw();
  }

  whole() {
    this.view = { x: 0, y: 0, across: this.width / this.trace.length, down: this.height / this.trace.hidden };
    this.draw();
  }

  /** Zoom around a point of the canvas. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const { across, down } = this.view;
    const n = this.view.x + x / across;
    const row = this.view.y + y / down;
    this.view.across = this.kept(across * factor, this.width / this.trace.length);
    this.view.down = this.kept(down * factor, this.height / this.trace.hidden);
    this.view.x = n - x / this.view.across;
    this.view.y = row - y / this.view.down;
    this.draw();
  }

  kept(size, least) {
    return Math.max(least, Math.min(Math.max(NEAREST, least), size));
  }

  pan(x, y) {
    this.view.x -= x / this.view.across;
    this.view.y -= y / this.view.down;
    this.draw();
  }

  reveal() {
    const { view } = this;
    if (!this.width) return;
    const inside = (at, from, count) => (at < from ? at : at + 1 > from + count ? at + 1 - count : from);
    view.x = inside(this.n, view.x, this.width / view.across);
    if (this.unit !== null) view.y = inside(this.rowOf[this.unit], view.y, this.height / view.down);
  }

  /** Return the unit and the character at a point of the canvas, or null outside the map. */
  at(x, y) {
    const n = Math.floor(this.view.x + x / this.view.across);
    const row = Math.floor(this.view.y + y / this.view.down);
    const there = y < this.height && n >= 0 && row >= 0 && n < this.trace.length && row < this.trace.hidden;
    return there ? { unit: this.quantity.order[row], n } : null;
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.width && this.quantity) this.drawNow();
    });
  }

  drawNow() {
    const { context, view, trace, width, height } = this;
    view.x = Math.max(0, Math.min(view.x, trace.length - width / view.across));
    view.y = Math.max(0, Math.min(view.y, trace.hidden - height / view.down));
    context.setTransform(this.density, 0, 0, this.density, 0, 0);
    context.clearRect(0, 0, width, height + FOOT);
    context.imageSmoothingEnabled = view.across < 1 || view.down < 1;
    const last = Math.min(trace.length, view.x + width / view.across);
    for (let k = Math.floor(view.x / PIECE); k * PIECE < last; k++) {
      const picture = this.piece(k);
      const from = Math.max(0, view.x - k * PIECE);
      const count = Math.min(picture.width, last - k * PIECE) - from;
      const rows = Math.min(trace.hidden, height / view.down);
      const x = (k * PIECE + from - view.x) * view.across;
      context.drawImage(picture, from, view.y, count, rows, x, 0, count * view.across, rows * view.down);
    }
    this.drawMarks();
  }

  piece(k) {
    if (!this.pieces.has(k)) this.pieces.set(k, this.painted(k));
    return this.pieces.get(k);
  }

  painted(k) {
    const { hidden, length } = this.trace;
    const { values, order } = this.quantity;
    const count = Math.min(PIECE, length - k * PIECE);
    const picture = element("canvas", { width: count, height: hidden });
    const image = new ImageData(count, hidden);
    const points = new Uint32Array(image.data.buffer);
    for (let row = 0; row < hidden; row++) {
      const from = order[row] * length + k * PIECE;
      for (let n = 0; n < count; n++) points[row * count + n] = this.colours[toneOf(values[from + n])];
    }
    picture.getContext("2d").putImageData(image, 0, 0);
    return picture;
  }

  drawMarks() {
    const { context, view, trace, width, height } = this;
    const style = getComputedStyle(document.documentElement);
    context.strokeStyle = context.fillStyle = style.getPropertyValue("--ink").trim();
    const x = (this.n - view.x) * view.across;
    context.lineWidth = 1;
    context.strokeRect(x + 0.5, 0.5, Math.max(1, view.across - 1), height - 1);
    if (this.unit !== null) {
      const y = (this.rowOf[this.unit] - view.y) * view.down;
      if (y + view.down >= 0 && y <= height) context.strokeRect(0.5, y - 0.5, width - 1, Math.max(3, view.down + 1));
    }
    context.font = "12px ui-monospace, monospace";
    context.textAlign = "center";
    if (view.across >= 8) {
      for (let n = Math.floor(view.x); n < Math.min(trace.length, view.x + width / view.across); n++) {
        const shown = sign(trace, trace.text[n]);
        if (shown.length < 3 || view.across > 8 * shown.length) {
          context.fillText(shown, (n - view.x + 0.5) * view.across, height + 15);
        }
      }
      return;
    }
    for (let k = 0; k <= 5; k++) {
      const n = Math.round(view.x + (k / 5) * (width / view.across - 1));
      context.textAlign = k === 0 ? "left" : k === 5 ? "right" : "center";
      context.fillText(n.toLocaleString("en"), (k / 5) * width, height + 15);
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
      if (held) {
        const [dx, dy] = [x - held.at[0], y - held.at[1]];
        held.far ||= Math.hypot(dx, dy) > 4;
        if (held.far) {
          this.pan(dx, dy);
          held.at = [x, y];
        }
      } else if (this.at(x, y)) this.moved(this.at(x, y).unit, this.at(x, y).n);
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
    const row = this.unit === null ? -1 : this.rowOf[this.unit];
    const { order } = this.quantity;
    const go = (rows, characters) => {
      const there = Math.max(0, Math.min(order.length - 1, row + rows));
      const n = Math.max(0, Math.min(this.trace.length - 1, this.n + characters));
      this.chosen(order[there], n);
    };
    const keys = {
      ArrowUp: () => go(-1, 0), ArrowDown: () => go(1, 0), ArrowLeft: () => go(row < 0 ? 1 : 0, -1),
      ArrowRight: () => go(row < 0 ? 1 : 0, 1), "+": () => this.zoom(1.5), "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5), 0: () => this.whole(),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }
}
