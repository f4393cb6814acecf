// The predictions after a character: the most probable next characters, before and after interventions side by side.

import { showCharacter } from "./characters.js";
import { button, drawn, element, part } from "./dom.js";
import { percent } from "./numbers.js";
import { softmax } from "./sampling.js";

const GUESSES = 5;

/**
 * Draw the table of predictions.
 *
 * @param plain (V,) logits; null where nothing is predicted
 * @param changed (V,) logits of the network with interventions; null without any
 * @param next id of the character that follows; −1 for none
 * @param ask called with the id of a character when the user asks why it is predicted
 */
export function drawPredictions(description, plain, changed, next, ask) {
  const columns = [plain, changed].filter(Boolean).map((logits) => softmax(logits));
  const most = columns.length === 2 ? columns[0].map((p, id) => Math.max(p, columns[1][id])) : columns[0] ?? [];
  const best = placesOfLargest(most, GUESSES);
  const names = changed ? ["", "unchanged", "changed", ""] : [];
  const head = names.map((name) => name ? element("th", { scope: "col", textContent: name }) : element("td"));
  part("guesses").tHead.replaceChildren(element("tr", {}, ...head));
  part("guesses").tBodies[0].replaceChildren(...best.map((id) => {
    const sign = showCharacter(description, description.vocabulary[id]);
    const asked = button(sign, () => ask(id), { className: "guess" });
    asked.setAttribute("aria-label", `Why ${sign}?`);
    return element(
      "tr",
      { className: id === next ? "next" : "" },
      element("th", { scope: "row" }, asked),
      ...columns.map((p) => element("td", { textContent: percent(p[id]) })),
      element("td", { className: "bar" }, bars(columns.map((p) => p[id]))),
    );
  }));
}

/** Return the places of the largest numbers, the largest first; of equal numbers, the first place comes first. */
function placesOfLargest(numbers, count) {
  const best = [];
  numbers.forEach((number, place) => {
    let rank = best.length;
    while (rank > 0 && numbers[best[rank - 1]] < number) rank--;
    if (rank === count) return;
    best.splice(rank, 0, place);
    best.length = Math.min(best.length, count);
  });
  return best;
}

function bars(chances) {
  const height = 10 / chances.length;
  const rects = chances.map((chance, k) =>
    drawn("rect", { width: 100 * (chance || 0), height, y: k * height, class: k ? "changed" : "" })
  );
  return drawn("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, ...rects);
}

/** Return the best predictions in words, for a screen reader. */
export function sayPredictions(description, logits, count = 3) {
  if (!logits) return "";
  const p = softmax(logits);
  return placesOfLargest(p, count).map((id) =>
    `${showCharacter(description, description.vocabulary[id])} ${percent(p[id])}`
  ).join(", ");
}
