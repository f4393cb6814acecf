// What the live tab says about the position: the character, the prediction after it, the cell, the text and the colours.
// Every function reads the state of the tab and changes only what is on the screen.

import { showCharacter } from "./characters.js";
import { drawCurves } from "./curves.js";
import { drawCell } from "./diagram.js";
import { part } from "./dom.js";
import { legend } from "./legend.js";
import { countOf, formatWhole, percent } from "./numbers.js";
import { drawPredictions, sayPredictions } from "./predictions.js";
import { formatShown, labelOf, quantitiesOf } from "./quantities.js";

export const BITS = "surprise"; // the text is coloured by surprisal
export const SIMILARITY = "similarity"; // the text is coloured by the similarity to the span

/** Return the sign of a character; "start" before the first one. */
export function signAt({ description, text }, n) {
  return n < 0 ? "start" : showCharacter(description, text[n]);
}

/** Draw the character at the position, the prediction after it, and the cell. */
export function drawCharacter(live) {
  const { n, layer, unit, description, plain, changed, shown, text } = live;
  const sign = signAt(live, n);
  const bits = n < 0 || Number.isNaN(shown.surprisals[n]) ? "–" : shown.surprisals[n].toFixed(2);
  part("sign").textContent = sign;
  part("sign").classList.toggle("long", sign.length > 2);
  part("bits").textContent = bits;
  part("place").textContent = n < 0
    ? "before the first character"
    : `character ${n} of 0–${text.length - 1}${live.isSelected ? ", selected" : ""}`;
  part("odds").textContent = bits === "–" ? "not predicted" : `predicted with ${percent(2 ** -shown.surprisals[n])}`;
  const next = n + 1 < text.length ? plain.ids[n + 1] : -1;
  drawPredictions(description, plain.logits(n), changed?.logits(n) ?? null, next, (id) => live.why.ask(n, id));
  part("next").textContent = describeNext(live);
  drawCell(shown, layer, unit, n, live.palette.steps);
  drawCurves(part("over").tBodies[0], plain, layer, unit, n, description, changed);
  part("over-title").textContent = `${unit === null ? "means" : `unit ${layer}:${unit}`} over the text`;
  part("over-legend").hidden = !changed;
  const slider = part("strip");
  slider.setAttribute("aria-valuenow", Math.max(0, n));
  slider.setAttribute("aria-valuetext", `${sign}, ${bits} bits; next ${sayPredictions(description, shown.logits(n))}`);
}

/** Return what comes after the position, and how it was predicted. */
function describeNext(live) {
  const { n, plain, shown, text } = live;
  if (n + 1 >= text.length) {
    return text.length ? "The text ends here." : "Type a text, or let the model write one.";
  }
  const sign = signAt(live, n + 1);
  if (plain.ids[n + 1] < 0) return `The model does not know the next character, «${sign}».`;
  const bits = n + 1 < shown.done ? shown.surprisals[n + 1] : shown.surprisalOf(n + 1);
  return Number.isNaN(bits)
    ? `The next character is «${sign}».`
    : `The next character is «${sign}», predicted with ${percent(2 ** -bits)}.`;
}

/** Return what the interventions change in the prediction, in a sentence. */
export function describeEffect({ n, description, plain, changed, interventions }) {
  const best = (reading) => sayPredictions(description, reading.logits(n), 1);
  if (!changed) return `No intervention is active; next ${best(plain)}`;
  const count = countOf(interventions.list.length, "intervention");
  return `${count}; next without ${best(plain)}, with ${best(changed)}`;
}

/** Return the value of a unit at a character, in words. */
export function describeValue(live, unit, n) {
  const { layer, quantity, shown } = live;
  const value = shown.value(quantity, unit, n);
  const raw = quantity.name === "c" ? `${labelOf("c")} = ${value.toFixed(3).replace("-", "−")}, ` : "";
  return `unit ${layer}:${unit}, character ${n} «${signAt(live, n)}»: ` +
    `${raw}${raw ? quantity.label : quantity.title} = ${formatShown(quantity, value)}`;
}

/** Write how many characters the text has, and which of them are not read. `given` is the number that was given. */
export function drawCount({ plain }, given) {
  const { length, unknown } = plain;
  const notes = [countOf(length, "character")];
  if (unknown) notes.push(`the model does not know ${formatWhole(unknown)} of them and skips them`);
  if (given > length) {
    notes.push(`the page reads only the first ${formatWhole(length)} of ${formatWhole(given)}`);
  }
  part("count").textContent = notes.join("; ");
  part("strip").setAttribute("aria-valuemax", Math.max(0, length - 1));
}

/** Tell the user if the numbers of the network are not finite. */
export function drawWarning({ readings }) {
  const isBroken = readings.some((reading) => !reading.finite);
  part("warning").hidden = !isBroken;
  part("warning").textContent = isBroken
    ? "The network computes numbers that are infinite or not numbers: its weights are too large. Train it again."
    : "";
}

/** Draw the scale of the colours of the text. */
export function drawColourLegend({ description, layer, colour, palette }) {
  const quantity = quantitiesOf(description, layer).find((one) => one.key === colour);
  const { bits } = palette;
  const scale = {
    [BITS]: { low: 0, middle: bits / 2, high: `${bits} or more`, unitLabel: "bits of surprisal" },
    [SIMILARITY]: { low: 0, middle: 0.5, high: 1, unitLabel: "similarity" },
  }[colour] ?? scaleOf(quantity);
  legend(part("colour-legend"), palette, scale);
}

/** Draw the scale of the colours of the heat map. */
export function drawMapLegend({ quantity, palette }) {
  legend(part("map-legend"), palette, scaleOf(quantity));
}

function scaleOf(quantity) {
  const [low, middle] = quantity.share ? [0, 0.5] : [-1, 0];
  return { low, middle, high: 1, unitLabel: quantity.title };
}
