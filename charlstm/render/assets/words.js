// What the numbers of a cell say, in words.

import { activeAt } from "./interventions.js";
import { nameQuantity } from "./quantities.js";

// Upper bounds of a gate's value, and how much passes through it.
const SHARES = [[0.05, "almost nothing"], [0.35, "little"], [0.65, "about half"], [0.95, "most"], [1, "nearly all"]];
const NEAR_ZERO = 0.05; // of a state between −1 and 1

function shareOf(value) {
  if (value === 0) return "nothing";
  return SHARES.find(([bound]) => value < bound)?.[1] ?? "all";
}

/** Format a number with two digits, a sign, and no minus on a zero. */
function signed(value) {
  const written = Math.abs(value).toFixed(2);
  return `${Number(written) === 0 ? "" : value < 0 ? "−" : "+"}${written}`;
}

/**
 * Return a sentence about the gates of a unit.
 *
 * @param numbers Map: name of a quantity → its value
 */
export function describeGates(numbers) {
  if (![...numbers.values()].every(Number.isFinite)) return "The network computes numbers that are not finite.";
  const number = (name) => numbers.get(name).toFixed(2);
  const share = (name) => shareOf(numbers.get(name));
  if (["f", "i", "o"].every((name) => numbers.has(name))) {
    return `Forget gate ${number("f")}: keeps ${share("f")} of its memory. Input gate ${number("i")}: writes ${
      share("i")
    } ` +
      `of the candidate. Output gate ${number("o")}: shows ${share("o")} of its memory.`;
  }
  if (["r", "u"].every((name) => numbers.has(name))) {
    return `Update gate ${number("u")}: keeps ${share("u")} of its hidden state. Reset gate ${
      number("r")
    }: the candidate ` +
      `reads ${share("r")} of what comes from the hidden state before.`;
  }
  return "A simple recurrent network has no gates: each character replaces the hidden state.";
}

/**
 * Return what happens to the memory of a unit in one step: it grows, shrinks, changes its sign or stays.
 *
 * @param name of the memory: c, or h in cells without cell states
 */
export function describeMemory(name, before, after) {
  if (![before, after].every(Number.isFinite)) return "";
  const memory = name === "c" ? "memory c" : `${nameQuantity(name)} ${name}`;
  const [from, to] = name === "c" ? [Math.tanh(before), Math.tanh(after)] : [before, after];
  if (Math.abs(to - from) < NEAR_ZERO) {
    return Math.abs(to) < NEAR_ZERO ? `The ${memory} stays near 0.` : `The ${memory} stays near ${signed(after)}.`;
  }
  const verb = from * to < 0 && Math.min(Math.abs(from), Math.abs(to)) > NEAR_ZERO
    ? "changes its sign"
    : Math.abs(to) > Math.abs(from)
    ? "becomes stronger"
    : "becomes weaker";
  return `The ${memory} ${verb}: from ${signed(before)} to ${signed(after)}.`;
}

/** Return what the interventions do to a unit at character n. */
export function describeActive(interventions, layer, unit, n) {
  return activeAt(interventions, n).filter((one) => one.layer === layer && one.unit === unit).map((
    { kind, gate, value },
  ) => ({
    ablate: "The unit is ablated: nothing reads its hidden state.",
    freeze: "Its memory is frozen.",
    set: `Its memory is set to ${withMinus(value)}.`,
    gate: `Its ${nameQuantity(gate)} is held ${positionOf(value)}.`,
  }[kind])).join(" ");
}

/** Return an intervention in words. */
export function describeIntervention({ kind, layer, unit, from, value, gate }) {
  const name = `unit ${layer}:${unit}`;
  const since = from >= 0 ? ` from character ${from} on` : "";
  return {
    ablate: `${name}: ablated${since}`,
    freeze: `${name}: memory frozen from character ${from} on`,
    set: `${name}: memory set to ${withMinus(value)} before character ${from}`,
    gate: `${name}: ${nameQuantity(gate)} held ${positionOf(value)}${since}`,
  }[kind];
}

function positionOf(value) {
  return { 0: "closed", 1: "open" }[value] ?? `at ${value}`;
}

function withMinus(value) {
  return String(value).replace("-", "−");
}
