// Which units are on all over a span, and where else they are on: the search of charlstm/inspect/like.py.

const AROUND = 12;
const UNITS_SHOWN = 16;

/** For every layer, what decides whether a unit is on: its memory where it has one, else its hidden state. */
function memories(trace) {
  return Array.from({ length: trace.layers }, (_, layer) => {
    const mine = trace.quantities.filter((quantity) => quantity.layer === layer);
    const memory = mine.find((quantity) => quantity.name === "c");
    const least = memory ? Math.atanh(trace.like.on) : trace.like.on;
    const quantity = memory ?? mine.find((one) => one.name === "h");
    return { name: quantity.name, values: quantity.values, least };
  });
}

/** 1 or −1 where a unit is on, on that side of zero, else 0. */
function side(memory, unit, n, length) {
  const value = memory.values[unit * length + n];
  return Math.abs(value) >= memory.least ? Math.sign(value) : 0;
}

/** The units that are on all over a span, the rarest first, each with how often it is on and what that counts. */
function unitsOver(trace, start, stop) {
  const found = [];
  memories(trace).forEach((memory, layer) => {
    for (let unit = 0; unit < trace.hidden; unit++) {
      const here = side(memory, unit, start, trace.length);
      let on = here !== 0;
      for (let n = start + 1; on && n < stop; n++) on = side(memory, unit, n, trace.length) === here;
      if (!on) continue;
      let times = 0;
      for (let n = 0; n < trace.length; n++) times += side(memory, unit, n, trace.length) === here;
      let until = stop;
      while (until < trace.length && side(memory, unit, until, trace.length) === here) until++;
      found.push({ layer, unit, here, memory, until, often: times / trace.length, bits: -Math.log2(times / trace.length) });
    }
  });
  const all = found.reduce((sum, one) => sum + one.bits, 0) || 1;
  found.forEach((one) => (one.counts = one.bits / all));
  return found.sort((one, other) => one.often - other.often);
}

/** At every character, how much of those units is on, each counted by how rare that is. */
function alikeness(trace, units) {
  const shares = new Float64Array(trace.length);
  for (const { memory, unit, here, counts } of units) {
    for (let n = 0; n < trace.length; n++) if (side(memory, unit, n, trace.length) === here) shares[n] += counts;
  }
  return shares;
}

/** Where windows of a length with the largest means begin, best first, none over another. */
function apart(shares, length, count) {
  const sums = new Float64Array(shares.length + 1);
  shares.forEach((share, n) => (sums[n + 1] = sums[n] + share));
  const means = Array.from({ length: shares.length - length + 1 }, (_, n) => (sums[n + length] - sums[n]) / length);
  const rounded = means.map((mean) => Math.round(mean * 1e9));
  const places = [];
  for (const n of means.map((_, k) => k).sort((one, other) => rounded[other] - rounded[one] || one - other)) {
    if (places.every((other) => Math.abs(other.n - n) >= length)) places.push({ n, alike: means[n] });
    if (places.length === count) break;
  }
  return places;
}

/** A unit's memory over the text; the span is shaded. */
function spark(trace, { memory, unit }, start, stop) {
  const value = (n) => strengthOf(memory.name, memory.values[unit * trace.length + n]);
  return curve(trace, value, -1, start, stop);
}

/** Show what was found. `choose(layer, unit)` colours the text, `go(n)` moves to a place. */
function drawSpan(trace, start, stop, choose, go) {
  const written = (from, to) => Array.from(trace.text.slice(Math.max(0, from), to), (code) => (code === 32 ? " " : sign(trace, code))).join("");
  const units = unitsOver(trace, start, stop);
  const shares = alikeness(trace, units);
  document.getElementById("span-title").textContent = `units on over «${written(start, stop)}», characters ${start} to ${stop - 1}`;
  document.getElementById("span-says").textContent = units.length
    ? `${units.length} of ${trace.hidden * trace.layers} units; the rarest first. Press a unit to colour the text by it.`
    : "No unit is on all over it: none whose memory stays beyond ½ or −½.";
  const section = document.getElementById("span-found");
  const rows = units.slice(0, UNITS_SHOWN).map((one) =>
    element("tr", {},
      element("td", { className: "w" }, element("button", { type: "button", textContent: `${one.layer}:${one.unit}`, onclick: () => choose(one.layer, one.unit) })),
      element("td", { className: "wide" }, spark(trace, one, start, stop)),
      element("td", { className: "w context" }, ...(one.until < trace.length
        ? [written(one.until - 5, one.until), element("mark", { textContent: written(one.until, one.until + 1) }), written(one.until + 1, one.until + 5)]
        : ["the end"])),
      element("td", { className: "w", textContent: one.here > 0 ? "above ½" : "below −½" }),
      element("td", { textContent: percent(one.often) })));
  const places = apart(shares, stop - start, trace.like.places).map(({ n, alike }) =>
    element("tr", {},
      element("td", {}, element("button", { type: "button", textContent: n, onclick: () => go(n) })),
      element("td", { className: "w context" }, written(n - AROUND, n), element("mark", { textContent: written(n, n + stop - start) }), written(n + stop - start, n + stop - start + AROUND)),
      element("td", { textContent: percent(alike) })));
  section.replaceChildren(...(units.length ? [
    table(["unit", "its memory over the text, from −1 to 1", "on until", "memory", "on in the text"], rows, "on", [0, 1, 2, 3]),
    element("h3", { textContent: "where they are on too" }),
    table(["position", "place", "alike"], places, "places", [1])] : []));
  return shares;
}

/** A table; the columns of words stand to the left. */
function table(names, rows, id, words) {
  const head = names.map((name, k) => element("th", { scope: "col", textContent: name, className: words.includes(k) ? "w" : "" }));
  return element("div", { className: "scroll" }, element("table", { id }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
}
