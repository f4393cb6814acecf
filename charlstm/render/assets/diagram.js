// The cell as the article draws it, with its values at one character.

import { showCharacter } from "./characters.js";
import { element, part } from "./dom.js";
import { activeAt, setMemories } from "./interventions.js";
import { formatNumber } from "./numbers.js";
import { labelOf, nameQuantity, shade } from "./quantities.js";
import { describeActive, describeGates, describeMemory } from "./words.js";

const MEMORIES = new Set(["c", "c before", "kept"]);

/** Return how dark a value is drawn: a cell state by its tanh, everything else by the value itself. */
function strengthOf(name, value) {
  return MEMORIES.has(name) ? Math.tanh(value) : value;
}

/** Return every value of the cell after character n by its name in the drawing, of a unit or as the mean of a layer. */
function cellAt(reading, layer, unit, n) {
  const { quantities, states, hidden } = reading.network.description;
  const { network } = reading;
  const before = setMemories(network, reading.before(n), activeAt(reading.interventions, n));
  const numbers = new Map();
  for (const name of quantities) {
    const start = network.offset(layer, name);
    const read = (record, of = (value) => value) =>
      unit === null ? meanOf(record.subarray(start, start + hidden), of) : of(record[start + unit]);
    numbers.set(name, read(reading.record(n)));
    if (states.includes(name)) numbers.set(`${name} before`, read(before));
    if (name === "c") numbers.set("memory", read(reading.record(n), Math.tanh));
  }
  if (unit !== null && numbers.has("f")) {
    numbers.set("kept", numbers.get("f") * numbers.get("c before"));
    numbers.set("written", numbers.get("i") * numbers.get("c_tilde"));
  }
  return numbers;
}

function meanOf(values, of) {
  return values.reduce((sum, value) => sum + of(value), 0) / values.length;
}

/** Write the values into the drawing, and a sentence about them; cells with other gates get a list. */
export function drawCell(reading, layer, unit, n, steps) {
  const { description } = reading.network;
  const numbers = cellAt(reading, layer, unit, n);
  const write = (name) =>
    numbers.has(name) ? formatNumber(numbers.get(name), !description.logistic.includes(name)) : "";
  const isLstm = numbers.has("f") && numbers.has("c");
  part("whose").textContent = unit === null
    ? `layer ${layer}, mean of ${description.hidden} units`
    : `unit ${layer}:${unit} (layer ${layer}, unit ${unit})`;
  part("diagram").toggleAttribute("hidden", !isLstm);
  for (const place of document.querySelectorAll("#diagram [data-value]")) {
    const name = place.dataset.value;
    place.textContent = name === "x" ? (n < 0 ? "" : `«${showCharacter(description, reading.text[n])}»`) : write(name);
  }
  for (const place of document.querySelectorAll("#diagram [data-shade]")) {
    const name = place.dataset.shade;
    const strength = strengthOf(name, numbers.get(name) ?? NaN);
    place.setAttribute("class", `${place.classList[0]} ${shade(strength, steps)}`);
  }
  listValues(isLstm ? [] : [...numbers], write, steps);
  part("sentence").textContent = unit === null ? "Choose a unit to see its own gates; these are means." : [
    describeActive(reading.interventions, layer, unit, n),
    describeGates(numbers),
    describeMemory(description.memory, ...[" before", ""].map((when) => numbers.get(description.memory + when))),
  ].join(" ").trim();
  part("equation").textContent = isLstm && unit !== null ? equation(write) : "";
}

function listValues(numbers, write, steps) {
  const list = part("values");
  list.hidden = !numbers.length;
  list.replaceChildren(...numbers.flatMap(([name, value]) => {
    const shown = element("dd", {
      textContent: write(name),
      className: `shaded ${shade(strengthOf(name, value), steps)}`,
    });
    shown.dataset.value = name;
    return [
      element("dt", { textContent: titleOf(name) }),
      shown,
    ];
  }));
}

/** Return the name of a value in words, with its symbol. */
function titleOf(name) {
  const now = name.replace(" before", "");
  return now === name ? `${nameQuantity(name)} ${labelOf(name)}` : `${nameQuantity(now)} before, ${labelOf(now)}′`;
}

/** Return the equations of the cell state and the hidden state with their values. */
function equation(write) {
  const [f, before, i, candidate, c, o, memory, h] = ["f", "c before", "i", "c_tilde", "c", "o", "memory", "h"].map(
    write,
  );
  return `c = f⊙c′ + i⊙c~ = ${f}·${before} + ${i}·${candidate} = ${c}\nh = o⊙tanh(c) = ${o}·${memory} = ${h}`;
}
