// Small curves of quantities over a text.

import { countEqual } from "./characters.js";
import { drawn, element } from "./dom.js";
import { quantitiesOf } from "./quantities.js";

const MOST_POINTS = 600; // of a curve, for a text of any length
const CURVE_HEIGHT = 40;
const NARROWEST = 1 / 150; // of a mark, as a share of the text

/**
 * Return the values of a function at every so many characters of what is read; `curve` draws them.
 *
 * @param reading
 * @param value a function from the position of a character to a number
 * @param known values that an earlier call returned, of which the first ones still hold
 */
export function sampleCurve(reading, value, known = []) {
  const step = curveStep(reading.length);
  const samples = known.slice();
  for (let n = samples.length * step; n < reading.done; n += step) samples.push(value(n));
  return samples;
}

/**
 * Draw a small curve over a text, from a lowest value to 1, with a mark from character `start` to `stop` − 1. A second
 * curve is dashed. Where the values are not finite, a curve has a gap.
 *
 * @param length characters of the text
 * @param lines one or two arrays of numbers, as `sampleCurve` returns them
 */
export function curve(length, lines, lowest, start, stop) {
  const step = curveStep(length);
  const height = (value) => 38 - (36 * (Math.max(lowest, Math.min(1, value)) - lowest)) / (1 - lowest);
  const mark = drawn("rect", { height: CURVE_HEIGHT });
  placeMark(mark, length, start, stop);
  return drawn(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${Math.max(1, length)} ${CURVE_HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    mark,
    drawn("path", { class: "zero", d: `M0 ${height(0)}H${length}` }),
    ...lines.map((samples, k) =>
      drawn("path", { class: k ? "line other" : "line", d: curvePath(samples, step, height) })
    ).reverse(), // where both are equal, the first one shows
  );
}

function curveStep(length) {
  return Math.max(1, Math.ceil(length / MOST_POINTS));
}

function curvePath(samples, step, height) {
  let [path, isOpen] = ["", false];
  samples.forEach((value, k) => {
    const isFinite = Number.isFinite(value);
    if (isFinite) path += `${isOpen ? "L" : "M"}${k * step + 0.5} ${height(value).toFixed(1)}`;
    isOpen = isFinite;
  });
  return path;
}

/** Mark a part of a text in its curve; in a long text the mark is wider than the part, so that it can be seen. */
function placeMark(mark, length, start, stop) {
  const width = Math.max(stop - start, length * NARROWEST);
  mark.setAttribute("x", (start + stop - width) / 2);
  mark.setAttribute("width", width);
}

const curvesShown = new WeakMap(); // table body → the samples of its curves, one or two

/**
 * Draw every quantity of a layer over the text in the rows of a table, with a mark at character n. Curves are drawn again
 * only if the unit, the layer, the text, the interventions or what is read of it changed; otherwise the mark moves.
 *
 * @param body of the table: a tbody
 * @param reading
 * @param layer
 * @param unit null for the mean of all units of the layer
 * @param n
 * @param description the model
 * @param other a reading of the same text with interventions, for dashed curves; or null
 */
export function drawCurves(body, reading, layer, unit, n, description, other = null) {
  const quantities = quantitiesOf(description, layer);
  const before = curvesShown.get(body) ?? [];
  const readings = other ? [reading, other] : [reading];
  const shown = readings.map((one, k) => new LayerSamples(one, layer, unit, quantities, before[k]));
  const isSame = shown.length === before.length && shown.every((samples, k) => samples.isSame(before[k]));
  if (isSame) {
    for (const mark of body.querySelectorAll("rect")) placeMark(mark, reading.length, n, n + 1);
    return;
  }
  curvesShown.set(body, shown);
  body.replaceChildren(...quantities.map(({ title, share }, k) => {
    const lines = shown.map((samples) => samples.lines[k]);
    const drawing = curve(reading.length, lines, share ? 0 : -1, n, n + 1);
    return element(
      "tr",
      {},
      element("th", { scope: "row", textContent: title }),
      element("td", { className: "wide" }, drawing),
    );
  }));
}

/** Samples of all quantities of a layer. They take over those of earlier samples that still hold, as means take long. */
class LayerSamples {
  constructor(reading, layer, unit, quantities, before) {
    const { text, done, interventions } = reading;
    Object.assign(this, { reading, text, done, interventions, layer, unit, step: curveStep(reading.length) });
    if (this.isSame(before)) {
      this.lines = before.lines;
      return;
    }
    const kept = this.continues(before) ? this.countKept(before) : 0;
    this.lines = quantities.map((quantity, k) => {
      const value = unit === null
        ? (n) => reading.mean(quantity, n, quantity.shown)
        : (n) => quantity.shown(reading.value(quantity, unit, n));
      return sampleCurve(reading, value, before?.lines[k]?.slice(0, kept));
    });
  }

  continues(before) {
    const names = ["reading", "interventions", "layer", "unit", "step"];
    return before !== undefined && names.every((name) => this[name] === before[name]);
  }

  isSame(before) {
    return this.continues(before) && this.text === before.text && this.done === before.done;
  }

  /** Return the number of earlier samples at characters that are read and did not change. */
  countKept(before) {
    return Math.ceil(countEqual(this.text, before.text, Math.min(this.done, before.done)) / this.step);
  }
}
