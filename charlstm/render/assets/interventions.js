// Interventions: what a user changes in the network while it reads, as `charlstm inspect --view patch` does.
//
//     ablate   nothing reads the hidden state of the unit                        from a character on
//     freeze   forget gate = 1 and input gate = 0, so that the memory stays      from a character on
//     gate     a gate of the unit has a fixed value                              from a character on
//     set      the memory of the unit has a value just before a character is read
//
// An intervention is { kind, layer, unit, from, value, gate }; `from` is −1 for the whole text with what opens it.

/** Return the interventions that are active while character n is read: of two for the same gate, the later one holds. */
export function activeAt(interventions, n) {
  const active = interventions.filter(({ kind, from }) => (kind === "set" ? from === n : from <= n));
  return active.sort((one, other) => one.from - other.from || isGate(one) - isGate(other));
}

/** Return whether a single gate is forced; of two interventions that start together, such a one comes after a freeze. */
function isGate({ kind }) {
  return kind === "gate";
}

/** Return the state in which a character is read: `before` itself, or a copy in which memories are set. */
export function setMemories(network, before, changes) {
  const sets = changes.filter(({ kind }) => kind === "set");
  if (!sets.length) return before;
  const state = before.slice();
  const { memory } = network.description;
  for (const { layer, unit, value } of sets) state[network.offset(layer, memory) + unit] = value;
  return state;
}

/** Copy the memories of frozen units from one record into another, which keeps them at the start of a document. */
export function keepFrozen(network, from, into, changes) {
  const { memory } = network.description;
  for (const { kind, layer, unit } of changes) {
    if (kind !== "freeze") continue;
    const place = network.offset(layer, memory) + unit;
    into[place] = from[place];
  }
}

/** Return the hidden state of a layer as the weights read it: (H,), with 0 for ablated units. */
export function hiddenUnits(h, layer, changes) {
  const ablated = changes.filter((change) => change.kind === "ablate" && change.layer === layer);
  if (!ablated.length) return h;
  const seen = h.slice();
  for (const { unit } of ablated) seen[unit] = 0;
  return seen;
}

/** Write the values of forced gates over those that the network computed: `now` has the gates of a layer by name. */
export function forcedGates({ forget, input }, now, layer, changes) {
  for (const { kind, gate, unit, value, layer: where } of changes) {
    if (where !== layer) continue;
    if (kind === "gate") now[gate][unit] = value;
    if (kind !== "freeze") continue;
    now[forget][unit] = 1;
    if (input !== null) now[input][unit] = 0;
  }
}

/** Return a list of interventions with one more, which replaces one of the same kind on the same unit. */
export function addIntervention(list, made) {
  const isSame = (other) =>
    ["kind", "layer", "unit", "gate"].every((name) => other[name] === made[name]) &&
    (made.kind !== "set" || made.from === other.from);
  return [...list.filter((other) => !isSame(other)), made];
}

/** Return an intervention as the option of `charlstm inspect --view patch` that makes it. */
export function asOption({ kind, layer, unit, from, value, gate }) {
  const [name, at] = [`${layer}:${unit}`, from >= 0 ? `@${from}` : ""];
  return {
    ablate: `--without ${name}${at}`,
    freeze: `--freeze ${name}@${from}`,
    set: `--set ${name}=${value}@${from}`,
    gate: `--gate ${gate}:${name}=${value}${at}`,
  }[kind];
}
