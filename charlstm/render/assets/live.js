// The live tab. One object holds the text, the position, the chosen unit and the interventions; everything on the screen
// follows from it. The network reads in slices, so that the page always answers.

import { announce } from "./announcer.js";
import { END, formatText, NEWLINE, parseText, pointsOf } from "./characters.js";
import { Continuations } from "./continuation.js";
import { part } from "./dom.js";
import { HeatMap } from "./heatmap.js";
import { Interventions } from "./intervening.js";
import { nextTask } from "./numbers.js";
import {
  BITS,
  describeEffect,
  describeValue,
  drawCharacter,
  drawColourLegend,
  drawCount,
  drawMapLegend,
  drawWarning,
  signAt,
  SIMILARITY,
} from "./panels.js";
import { sayPredictions } from "./predictions.js";
import { quantitiesOf, shade } from "./quantities.js";
import { Reading } from "./reading.js";
import { SpanSearch } from "./span.js";
import { findSteadiest } from "./steadiest.js";
import { Strip } from "./strip.js";
import { Why } from "./why.js";
import { Writer } from "./writing.js";

const READING_SLICE = 8; // ms that the network reads before the page may draw
const SHORT_TEXT = 1000; // characters that are read so fast that the page opens only then
const STEADY_AFTER = 300; // characters from which the steadiest units are chosen

/** The state of the live tab, and what draws it. `moved()` is called after everything that an address should hold. */
export class Live {
  constructor({ texts, most, palette }, network, moved) {
    const { description } = network;
    Object.assign(this, { network, description, texts, most, palette, moved });
    Object.assign(this, {
      n: -1,
      layer: 0,
      unit: null,
      isSelected: false,
      quantity: null,
      colour: BITS,
      span: null,
      similarity: null,
    });
    Object.assign(this, {
      typed: "",
      label: null,
      plain: null,
      changed: null,
      goal: null, // the position to move to as soon as it is read
      edited: Infinity, // the first character that differs from what the screen shows
      drawnTo: 0, // the first character that is read, but not drawn
      isDrawn: false,
      isRunning: false,
      waiting: [],
      isOffered: false,
      isUnitChosen: false,
    });
    this.strip = new Strip(part("strip"), description, (n) => this.shadeOf(n));
    this.map = new HeatMap(part("map"), description, palette, {
      chosen: (unit, n) => {
        this.choose(this.layer, unit, n);
        announce(() => part("map-value").textContent);
      },
      moved: (unit, n) => this.say(unit, n),
    });
    const found = { title: part("span-title"), summary: part("span-summary"), found: part("span-found") };
    this.spans = new SpanSearch(found, description, {
      chosen: (layer, unit) => this.choose(layer, unit),
      moved: (n) => {
        this.move(n);
        part("strip").scrollIntoView({ block: "center" });
      },
    });
    this.interventions = new Interventions(
      description,
      (since) => ({ layer: this.layer, unit: this.unit, from: since === "start" ? -1 : Math.max(0, this.n) }),
      () => {
        this.intervene();
        announce(() => describeEffect(this));
      },
    );
    this.writer = new Writer({
      reading: () => this.shown,
      whenRead: () => this.whenRead(),
      append: (point) => this.append(point),
      text: () => this.typed,
      replace: (typed) => this.type(typed),
      knows: (point) => this.plain.idOf.has(point),
      isFull: () => this.plain.length >= this.most,
    });
    this.continuations = new Continuations(part("continuations"), description);
    this.why = new Why(network, () => this.shown, description, palette);
    this.beginReading(description.labels[0]?.[0] ?? null);
    this.showQuantity();
  }

  /** What the panels show: the reading with interventions if there are any. */
  get shown() {
    return this.changed ?? this.plain;
  }

  get text() {
    return this.plain.text;
  }

  // --- The text.

  /** Choose the label with which documents are read, and read the text again. */
  setLabel(label) {
    const { text } = this;
    this.beginReading(label);
    this.plain.edit(text);
    this.intervene();
  }

  beginReading(label) {
    const opening = this.description.labels.find(([name]) => name === label)?.[1] ?? this.description.end;
    Object.assign(this, { label, plain: new Reading(this.network, opening) });
    this.plain.most = Math.min(this.plain.most, this.most);
  }

  /** Replace the text by one of the page. */
  open({ text, label, place }) {
    if (label !== null && label !== this.label) this.setLabel(label);
    const points = pointsOf(text);
    this.showTyped(formatText(this.description, points));
    this.isOffered = false;
    this.writer.end();
    this.edit(points, place);
    if (this.shown.done <= this.n) Object.assign(this, { n: 0, goal: place }); // it takes a while until it is read
    this.drawEdited();
  }

  /** Replace the text by what the user typed; the position becomes the last character that is new. */
  type(typed) {
    this.showTyped(typed);
    this.writer.end();
    const points = parseText(this.description, typed);
    const old = this.text;
    let same = 0;
    const most = Math.min(old.length, points.length);
    while (same < most && old[old.length - 1 - same] === points[points.length - 1 - same]) same++;
    const isSame = same === points.length && same === old.length;
    this.read(points, isSame ? this.n : Math.max(0, points.length - 1 - same));
    announce(() => `${part("count").textContent}; next ${sayPredictions(this.description, this.shown.logits(this.n))}`);
  }

  /** Append a character that the model wrote. */
  append(point) {
    const text = new Int32Array(this.text.length + 1);
    text.set(this.text);
    text[this.text.length] = point;
    const isEndOfLine = point === END || point === NEWLINE; // it may be read otherwise after another one
    this.typed = isEndOfLine ? formatText(this.description, text) : this.typed + String.fromCodePoint(point);
    this.edit(text, this.text.length);
    if (!this.isAppending) requestAnimationFrame(() => this.drawAppended()); // many characters in a frame, if it writes fast
    this.isAppending = true;
    this.run();
  }

  drawAppended() {
    this.isAppending = false;
    this.showTyped(this.typed);
    part("typed").scrollTop = part("typed").scrollHeight;
    this.drawEdited();
  }

  /** Show a text in the field, which has its own signs for the ends of lines. */
  showTyped(typed) {
    this.typed = typed;
    if (part("typed").value !== typed) part("typed").value = typed;
  }

  /** Read a text, and move to a character of it. */
  read(points, n) {
    this.edit(points, n);
    this.drawEdited();
  }

  /** Replace the text and the position, and read a slice of it. */
  edit(points, n) {
    const same = Math.min(...this.readings.map((reading) => reading.edit(points)));
    this.edited = Math.min(this.edited, this.similarity ? 0 : same);
    this.given = points.length;
    Object.assign(this, { span: null, similarity: null, goal: null });
    this.n = Math.max(-1, Math.min(this.text.length - 1, n));
    const slice = performance.now() + READING_SLICE;
    for (const reading of this.readings) reading.advance(slice);
  }

  /** Draw what was edited. */
  drawEdited() {
    const from = Math.min(this.edited, this.drawnTo); // what was read since the last frame is new as well
    this.spans.clear();
    this.strip.edit(this.text, this.plain.ids);
    this.strip.paint(from, this.shown.done);
    drawCount(this, this.given);
    this.map.update(from);
    this.edited = Infinity;
    this.show();
  }

  /** Show the character at the position, now or as soon as it is read, and read on. */
  show() {
    this.drawnTo = this.shown.done;
    this.drawnOf = this.countRead();
    this.strip.mark(this.n);
    this.draw();
    this.why.outdated();
    this.run();
    this.moved();
  }

  get readings() {
    return this.changed ? [this.changed, this.plain] : [this.plain];
  }

  /** Return the number of characters that are read, over all readings. */
  countRead() {
    return this.readings.reduce((sum, { done }) => sum + done, 0);
  }

  /** Read on in slices until every reading is complete; that which is behind comes first. */
  async run() {
    document.documentElement.dataset.read = "no";
    if (this.isRunning) return;
    this.isRunning = true;
    while (this.readings.some((reading) => !reading.complete)) {
      const [next] = this.readings.sort((one, other) => one.done - other.done);
      next.advance(performance.now() + READING_SLICE);
      this.drawProgress();
      await nextTask();
    }
    this.isRunning = false;
    document.documentElement.dataset.read = "yes";
    this.drawProgress();
    for (const resolve of this.waiting.splice(0)) resolve();
    if (this.span) this.search();
  }

  /** Wait until the character at the position is read and drawn. */
  async whenShown() {
    while (this.readings.some((reading) => reading.done <= this.n)) await nextTask();
    while (this.goal !== null && this.text.length < SHORT_TEXT) await nextTask();
    await new Promise(requestAnimationFrame);
  }

  /** Wait until everything is read. */
  whenRead() {
    if (!this.isRunning && this.readings.every((reading) => reading.complete)) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Show in the next frame what was read since the last one. */
  drawProgress() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      const { done, complete } = this.shown;
      if (this.drawnTo < done) {
        this.strip.paint(this.drawnTo, done);
        this.map.update(this.drawnTo);
        this.drawnTo = done;
      }
      if (this.goal !== null && this.readings.every((reading) => reading.done > this.goal)) this.move(this.goal);
      const count = this.countRead();
      if (!this.isDrawn || (complete && count > this.drawnOf)) this.draw();
      this.drawnOf = count;
      if (!this.isOffered && done && done >= Math.min(this.text.length, STEADY_AFTER)) this.offerSteadiest();
      drawWarning(this);
    });
  }

  /** Offer the steadiest units, and choose the first one unless the user has chosen. */
  async offerSteadiest() {
    this.isOffered = true;
    const units = await findSteadiest(this.shown, this.description);
    if (!units) {
      this.isOffered = false; // the text changed meanwhile
      return;
    }
    this.offered?.(units);
    if (!this.isUnitChosen) this.choose(...units[0], this.n, { keep: true });
  }

  // --- Interventions.

  /** Read the text again with the interventions of the list, from the first character that they change. */
  intervene() {
    const { list } = this.interventions ?? { list: [] };
    this.changed = list.length ? new Reading(this.network, this.plain.opening, list) : null;
    if (this.changed) {
      this.changed.most = this.plain.most;
      this.changed.follow(this.plain, Math.max(0, Math.min(...list.map(({ from }) => from))));
      if (this.changed.done <= this.n) this.changed.advance(performance.now() + READING_SLICE);
    }
    this.similarity = null;
    this.map.showInterventions(list);
    this.strip.begins = new Set(list.map(({ from }) => from));
    this.showQuantity();
    this.strip.paint();
    this.show();
  }

  // --- The position and the unit.

  /** Move to a character; with `extend` the span grows. */
  move(n, extend) {
    const to = Math.max(this.text.length ? 0 : -1, Math.min(this.text.length - 1, n));
    if (extend) this.span = { anchor: this.span && this.span.head === this.n ? this.span.anchor : this.n, head: to };
    Object.assign(this, { n: to, goal: null });
    this.strip.mark(to);
    this.draw();
    if (extend) this.search();
    this.moved();
  }

  /** Move to a character, and stay there while the mouse moves. */
  select(n) {
    this.isSelected = true;
    this.move(n);
  }

  /** Choose a unit, null for the mean of the layer, and colour the text by its memory. */
  choose(layer, unit, n = this.n, { keep = false } = {}) {
    const isOther = layer !== this.layer;
    Object.assign(this, { layer, unit });
    this.isUnitChosen = true;
    if (!keep) this.isSelected = true;
    if (unit !== null && (this.colour === BITS || this.colour === SIMILARITY)) this.colour = this.description.memory;
    if (isOther || !this.quantity) this.showQuantity();
    this.controlled?.();
    this.interventions.aim(layer, unit);
    if (n !== this.n) this.goal = null;
    this.n = n;
    this.strip.mark(n);
    this.strip.paint();
    this.draw();
    this.moved();
  }

  /** Colour the text by a quantity of the unit, by surprisal, or by the similarity to the span. */
  colourBy(name) {
    this.colour = name;
    drawColourLegend(this);
    this.strip.paint();
    this.moved();
  }

  /** Show a quantity in the heat map. */
  showQuantity(key = this.quantity?.key ?? this.description.memory) {
    const all = quantitiesOf(this.description, this.layer);
    this.quantity = all.find((one) => one.key === key) ?? all[0];
    const order = this.description.orders[`${this.layer}/${this.quantity.name}`];
    this.map.show(this.shown, this.quantity, order, document.documentElement.dataset.theme);
    drawMapLegend(this);
    this.controlled?.();
  }

  /** Search for the units that are on over the span. */
  async search() {
    const [start, stop] = this.ends();
    this.strip.select(start, stop);
    if (stop <= start) return;
    const shares = await this.spans.show(this.shown, start, stop);
    if (!shares) return; // the text changed, or another search began
    this.similarity = shares;
    this.controlled?.();
    if (this.colour === SIMILARITY) this.strip.paint();
  }

  ends() {
    const { span } = this;
    return span ? [Math.max(0, Math.min(span.anchor, span.head)), Math.max(span.anchor, span.head) + 1] : [0, 0];
  }

  // --- Drawing.

  /** Draw what follows from the position, as soon as it is read. */
  draw() {
    const { n, plain, shown } = this;
    this.continuations.cancel(); // those of another position or text
    this.isDrawn = n < shown.done && n < plain.done;
    if (!this.isDrawn) return;
    drawCharacter(this);
    this.interventions.locate(n, signAt(this, n));
    this.map.mark(this.unit, n, true);
    if (this.unit !== null && n >= 0) this.say(this.unit, n);
    this.continuations.show(n, plain, this.changed);
  }

  /** Say the value of a unit at a character, below the map. */
  say(unit, n) {
    if (n >= 0 && n < this.shown.done) part("map-value").textContent = describeValue(this, unit, n);
  }

  /** Return the class of the shade of a character. */
  shadeOf(n) {
    const reading = this.shown;
    if (n >= reading.done) return "unread";
    return shade(this.strengthOf(reading, n), this.palette.steps);
  }

  strengthOf(reading, n) {
    if (this.colour === BITS) return reading.surprisals[n] / this.palette.bits;
    if (this.colour === SIMILARITY) return this.similarity?.[n] ?? 0;
    const quantity = quantitiesOf(this.description, this.layer).find((one) => one.key === this.colour);
    return this.unit === null
      ? reading.mean(quantity, n, quantity.shown)
      : quantity.shown(reading.value(quantity, this.unit, n));
  }

  recolour() {
    this.showQuantity();
    this.strip.paint();
    this.map.redraw();
  }

  resize() {
    this.map.resized();
  }
}
