// The legend of the shades: a scale with its numbers.

import { element } from "./dom.js";

/**
 * Fill a container with a scale: its shades, and the numbers at both ends and in the middle. The scale has both colours if
 * `low` is below zero, and begins at zero otherwise.
 *
 * @param container an element, emptied first
 * @param palette the colours of the page: `steps` shades on either side of zero
 * @param scale { low, middle, high, unitLabel }: numbers, or words such as "8 or more"; and what they measure
 */
export function legend(container, { steps }, { low, middle, high, unitLabel }) {
  const hasBoth = low < 0;
  const [first, half, last] = [low, middle, high].map((value) => scaleNumber(value, hasBoth));
  const colours = hasBoth
    ? `orange is ${first}, no colour is ${half}, blue is ${last}`
    : `no colour is ${first}, pale blue is ${half}, blue is ${last}`;
  const shades = Array.from({ length: (hasBoth ? 2 : 1) * steps + 1 }, (_, k) => {
    return element("i", { className: `s${hasBoth ? k - steps : k}` });
  });
  const scale = element(
    "span",
    { className: "legend-scale" },
    element("span", { className: "legend-label", textContent: unitLabel }),
    element(
      "span",
      { className: "legend-bar" },
      element("span", { className: "legend-shades" }, ...shades),
      element("span", { className: "legend-numbers" }, ...[first, half, last].map((text) => element("b", {}, text))),
    ),
  );
  scale.setAttribute("role", "img");
  scale.setAttribute("aria-label", `Colours of ${unitLabel}: ${colours}`);
  container.replaceChildren(scale);
}

/** Format a number of a scale with as many digits as it needs; words stay. */
function scaleNumber(value, signed) {
  if (typeof value === "string") return value;
  const written = String(Number(Math.abs(value).toPrecision(3)));
  if (value < 0) return `−${written}`;
  return signed && value > 0 ? `+${written}` : written;
}
