// The part of the address after «#»: it holds what the user sees, so that a bookmark or a reload brings it back.

const LONGEST_TEXT = 20_000; // characters of a text; browsers limit the length of an address
const MOST = 200; // interventions
const KINDS = ["ablate", "freeze", "set", "gate"];

/** Return a state as the fragment of an address: text, label, position, unit, tab, quantity, colour, interventions. */
export function formatFragment({ text, label, n, layer, unit, tab, quantity, colour, interventions }) {
  const words = new URLSearchParams();
  if (text.length <= LONGEST_TEXT) words.set("text", text);
  if (label !== null) words.set("label", label);
  words.set("at", n);
  words.set("unit", unit === null ? layer : `${layer}:${unit}`);
  words.set("view", tab);
  words.set("map", quantity);
  words.set("colour", colour);
  for (const { kind, gate, layer, unit, from, value } of interventions) {
    words.append("change", [kind, gate ?? "", layer, unit, from, value ?? ""].join("~"));
  }
  return `#${words}`;
}

/** Return the state that a fragment holds; what the model does not have is left out. */
export function parseFragment(fragment, description) {
  const words = new URLSearchParams(fragment.slice(1));
  const state = {
    interventions: words.getAll("change").slice(0, MOST).map((word) => parseChange(word, description)).filter(Boolean),
  };
  for (
    const [name, key] of [["text", "text"], ["label", "label"], ["view", "tab"], ["map", "quantity"], [
      "colour",
      "colour",
    ]]
  ) {
    if (words.has(name)) state[key] = words.get(name);
  }
  if (/^-?\d{1,9}$/.test(words.get("at") ?? "")) state.n = Number(words.get("at"));
  const place = /^(\d{1,4})(?::(\d{1,6}))?$/.exec(words.get("unit") ?? "");
  if (place && place[1] < description.layers && (place[2] ?? 0) < description.hidden) {
    Object.assign(state, { layer: Number(place[1]), unit: place[2] === undefined ? null : Number(place[2]) });
  }
  return state;
}

/** Return an intervention that a fragment holds, or null if the network has no such unit or gate. */
function parseChange(word, { layers, hidden, logistic, forget }) {
  const [kind, gate, ...rest] = word.split("~");
  const [layer, unit, from] = rest.slice(0, 3).map(Number);
  const value = rest[3] ? Number(rest[3]) : undefined;
  const isPlace = Number.isInteger(layer) && layer >= 0 && layer < layers && Number.isInteger(unit) && unit >= 0 &&
    unit < hidden;
  const start = kind === "ablate" || kind === "gate" ? -1 : 0;
  if (!KINDS.includes(kind) || !isPlace || !Number.isInteger(from) || from < start) return null;
  if (kind === "freeze" && forget === null) return null;
  if (kind === "gate" && !(logistic.includes(gate) && value >= 0 && value <= 1)) return null;
  if (kind === "set" && !Number.isFinite(Math.fround(value))) return null;
  return { kind, layer, unit, from, ...(gate ? { gate } : {}), ...(value === undefined ? {} : { value }) };
}
