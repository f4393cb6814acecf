// What the page shows of a unit: its quantities, the numbers that stand for them, and their shades.

import { formatNumber } from "./numbers.js";

const LABELS = { c_tilde: "c~", h_tilde: "h~" };
const NAMES = {
  f: "forget gate",
  i: "input gate",
  o: "output gate",
  r: "reset gate",
  u: "update gate",
  c_tilde: "candidate",
  h_tilde: "candidate",
  c: "memory",
  h: "hidden state",
};

/** Return the name of a gate or state in words. */
export function nameQuantity(name) {
  return NAMES[name] ?? `gate ${name}`;
}

/** Return the label of a quantity. */
export function labelOf(name) {
  return LABELS[name] ?? name;
}

/**
 * Return the quantities of a layer in the order in which the page offers them, the memory first: objects
 * { key, label, title, layer, name, share, shown }; the title names the quantity in words. `shown(value)` is the number that is shown and shaded, between −1 and 1 where
 * the cell has such bounds: a cell state is shown by its tanh. `share` is true for gates, which lie between 0 and 1.
 */
export function quantitiesOf({ quantities, logistic, memory }, layer) {
  const order = [memory, ...quantities.filter((name) => name !== memory)];
  return order.map((name) => {
    const label = name === "c" ? "tanh(c)" : labelOf(name);
    const shown = name === "c" ? Math.tanh : (value) => value;
    return {
      key: name,
      label,
      title: `${nameQuantity(name)} ${label}`,
      layer,
      name,
      share: logistic.includes(name),
      shown,
    };
  });
}

/** Format the shown number of a quantity. */
export function formatShown(quantity, value) {
  return formatNumber(quantity.shown(value), !quantity.share);
}

/** Return the class of the shade of a number between −1 and 1; none for what is not a number. */
export function shade(strength, steps) {
  return Number.isNaN(strength) ? "" : `s${Math.round(steps * Math.max(-1, Math.min(1, strength))) || 0}`;
}
