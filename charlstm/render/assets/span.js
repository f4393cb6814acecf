// Which units are on over a whole span, and other places where they are on: the search of inspection/span_search.py.

import { countEqual, excerpt } from "./characters.js";
import { curve, sampleCurve } from "./curves.js";
import { button, element, table } from "./dom.js";
import { percent } from "./numbers.js";
import { quantitiesOf } from "./quantities.js";
import { inSlices } from "./slices.js";

const CONTEXT_SHOWN = 12; // characters on either side of a place
const CONTEXT_OF_CHARACTER = 5; // the same for a single one
const UNITS_SHOWN = 16;
const LONGEST_SPAN = 60; // that is shown whole

/**
 * Find the units that are on over a whole span of what is read, and similar places. The work is done in slices.
 *
 * @param reading
 * @param description the model
 * @param start first character of the span
 * @param stop the character after it, at most `reading.done`
 * @param isWanted asked between two slices; the search ends if it returns false or the text that is read changes
 * @returns null if the search ended early, or { units, similarity, places }: units, the rarest first, as
 *   { layer, unit, memory, here, until, often, weight }; the weighted share of them that is on at every character read;
 *   and places, the most similar first, as { n, similarity }
 */
export async function findSpan(reading, description, start, stop, isWanted) {
  const { text, done } = reading;
  const holds = () => isWanted() && reading.done >= done && countEqual(reading.text, text, done) === done;
  const memories = memoriesOf(description);
  const units = await findUnitsOver(reading, memories, start, stop, holds);
  if (!units) return null;
  const on = new Uint8Array(done * units.length); // [character][unit]
  const isCounted = await inSlices(done, (n) => {
    const values = valuesOf(reading, memories, n);
    units.forEach((one, k) => {
      if (sideOf(one, values) !== one.here) return;
      on[n * units.length + k] = 1;
      one.times++;
    });
  }, holds);
  if (!isCounted) return null;
  weigh(units, done);
  units.forEach((one, k) => (one.until = findOff(on, units.length, k, stop, done)));
  const similarity = new Float64Array(done);
  const isMeasured = await inSlices(done, (n) => {
    for (let k = 0; k < units.length; k++) if (on[n * units.length + k]) similarity[n] += units[k].weight;
  }, holds);
  if (!isMeasured) return null;
  const ranked = [...units].sort((one, other) => one.often - other.often);
  return { units: ranked, similarity, places: findBestWindows(similarity, stop - start, description.like.places) };
}

/** Return for every layer the memory that decides whether a unit is on, and the least value at which it is. */
function memoriesOf(description) {
  const { layers, like } = description;
  return Array.from({ length: layers }, (_, layer) => {
    const quantity = quantitiesOf(description, layer)[0];
    return { quantity, least: quantity.name === "c" ? Math.atanh(like.on) : like.on };
  });
}

/** Return the memories after character n: [layer], (H,) each. */
function valuesOf(reading, memories, n) {
  return memories.map(({ quantity }) => reading.values(quantity, n));
}

/** Return 1 or −1 if a unit is on, on that side of zero, or else 0. */
function sideOf({ layer, unit, memory }, values) {
  const value = values[layer][unit];
  return Math.abs(value) >= memory.least ? Math.sign(value) : 0;
}

/** Find the units that are on, on one side of zero, at every character of a span; null if the search ended early. */
async function findUnitsOver(reading, memories, start, stop, holds) {
  const first = valuesOf(reading, memories, start);
  let units = memories.flatMap((memory, layer) =>
    Array.from(first[layer], (_, unit) => ({ layer, unit, memory, times: 0 }))
  );
  for (const one of units) one.here = sideOf(one, first);
  units = units.filter(({ here }) => here !== 0);
  const isDone = await inSlices(stop - start - 1, (k) => {
    const values = valuesOf(reading, memories, start + 1 + k);
    units = units.filter((one) => sideOf(one, values) === one.here);
  }, holds);
  return isDone ? units : null;
}

/** Weigh each unit by how rarely it is on: −log₂ of its share of the text, scaled to the sum 1. */
function weigh(units, count) {
  for (const one of units) one.often = one.times / count;
  const bits = units.map(({ often }) => -Math.log2(often));
  const total = bits.reduce((sum, value) => sum + value, 0) || 1;
  units.forEach((one, k) => (one.weight = bits[k] / total));
}

/** Return the first character from one on at which a unit is not on. */
function findOff(on, count, k, from, done) {
  let n = from;
  while (n < done && on[n * count + k]) n++;
  return n;
}

/** Find the windows with the largest means, best first, without overlaps. */
function findBestWindows(shares, length, count) {
  const sums = new Float64Array(shares.length + 1);
  shares.forEach((share, n) => (sums[n + 1] = sums[n] + share));
  const scores = Float64Array.from(
    { length: shares.length - length + 1 },
    (_, n) => Math.round((sums[n + length] - sums[n]) * 1e9), // equal sums stay equal after rounding errors
  );
  const places = [];
  while (places.length < count) {
    const n = scores.indexOf(scores.reduce((most, score) => Math.max(most, score), -1));
    if (n < 0 || scores[n] < 0) break;
    places.push({ n, similarity: (sums[n + length] - sums[n]) / length });
    scores.fill(-1, Math.max(0, n - length + 1), n + length); // windows that overlap this one
  }
  return places;
}

/** The panel of the search: a newer search ends an older one. */
export class SpanSearch {
  /**
   * @param parts { title, summary, found }: elements for the span, a sentence and the tables
   * @param description the model
   * @param listeners { chosen(layer, unit), moved(n) }: a unit or a place was clicked
   */
  constructor({ title, summary, found }, description, { chosen, moved }) {
    Object.assign(this, { title, summary, found, description, chosen, moved, latest: 0 });
    this.words = [title, summary].map((place) => place.textContent); // as long as there is no span
  }

  /**
   * Search what is read, and show the results when they are there; until then the earlier ones stay.
   *
   * @param reading
   * @param start
   * @param stop the character after the span
   * @returns the similarity at every character that is read, Float64Array; null if the span is not read yet, what
   *   is read changes or a newer search began
   */
  async show(reading, start, stop) {
    const { description } = this;
    const search = ++this.latest;
    const isLatest = () => search === this.latest;
    const span = shortenSpan(excerpt(description, reading.text, start, stop));
    setText(this.title, `units on over «${span}», characters ${start} to ${stop - 1}`);
    if (stop > reading.done) {
      setText(this.summary, "The network has not read the span yet.");
      this.found.replaceChildren();
      return null;
    }
    const results = await findSpan(reading, description, start, stop, isLatest);
    if (!results || !isLatest()) return null;
    this.showResults(reading, start, stop, results);
    return results.similarity;
  }

  /** End the search that is under way, if any, and show none. */
  clear() {
    this.latest++;
    [this.title, this.summary].forEach((place, k) => setText(place, this.words[k]));
    this.found.replaceChildren();
  }

  showResults(reading, start, stop, { units, similarity, places }) {
    const { hidden, layers } = this.description;
    setText(
      this.summary,
      units.length
        ? `${units.length} of ${hidden * layers} units, the rarest first. Click a unit to colour the text by it.`
        : "No unit is on over the whole span: no memory stays above ½ or below −½.",
    );
    const focused = this.found.contains(document.activeElement) ? document.activeElement : null;
    const [id, name] = [focused?.closest("table")?.id, focused?.textContent];
    this.found.replaceChildren();
    if (!units.length) return;
    const shown = units.slice(0, UNITS_SHOWN);
    const unitNames = ["unit", "memory over the text, from −1 to 1", "on until", "memory", "on in the text"];
    const unitRows = shown.map((one) => this.unitRow(reading, similarity.length, one, start, stop));
    const placeRows = places.map((place) => this.placeRow(reading, place, stop - start));
    this.found.append(
      table(unitNames, unitRows, "on", [0, 1, 2, 3]),
      element("h3", { textContent: "other places where they are on" }),
      table(["position", "place", "similarity"], placeRows, "places", [1]),
    );
    const again = id && [...this.found.querySelectorAll(`#${id} button`)].find((one) => one.textContent === name);
    again?.focus({ preventScroll: true }); // a search that is repeated while the user reads leaves the keyboard in place
  }

  unitRow(reading, done, { layer, unit, memory: { quantity }, here, until, often }, start, stop) {
    const samples = sampleCurve(reading, (n) => quantity.shown(reading.value(quantity, unit, n)));
    const end = until < reading.length ? "as far as the text is read" : "the end";
    return element(
      "tr",
      {},
      element("td", { className: "w" }, button(`${layer}:${unit}`, () => this.chosen(layer, unit))),
      element("td", { className: "wide" }, curve(reading.length, [samples], -1, start, stop)),
      element(
        "td",
        { className: "w context" },
        ...(until < done ? this.inContext(reading, until, until + 1, CONTEXT_OF_CHARACTER) : [end]),
      ),
      element("td", { className: "w", textContent: here > 0 ? "above ½" : "below −½" }),
      element("td", { textContent: percent(often) }),
    );
  }

  placeRow(reading, { n, similarity }, length) {
    return element(
      "tr",
      {},
      element("td", {}, button(String(n), () => this.moved(n))),
      element("td", { className: "w context" }, ...this.inContext(reading, n, n + length, CONTEXT_SHOWN)),
      element("td", { textContent: percent(similarity) }),
    );
  }

  /** Return a part of the text, marked, with the characters around it. */
  inContext({ text }, start, stop, around) {
    const between = (from, to) => excerpt(this.description, text, from, to);
    const marked = element("mark", { textContent: shortenSpan(between(start, stop)) });
    return [between(start - around, start), marked, between(stop, stop + around)];
  }
}

/** Leave out the middle of a long text. */
function shortenSpan(text) {
  const half = LONGEST_SPAN / 2;
  return text.length > LONGEST_SPAN ? `${text.slice(0, half)}…${text.slice(-half)}` : text;
}

/** Set a text, unless it is there already: a screen reader would announce it again. */
function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
