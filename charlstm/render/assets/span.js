// Which units are on over a whole span, and other places where they are on: the search of inspection/span_search.py.

const AROUND = 12;
const UNITS_SHOWN = 16;

/** Return, for every layer, the quantity that decides whether a unit is on: the cell state, or else the hidden state. */
function memories(trace) {
  return Array.from({ length: trace.layers }, (_, layer) => {
    const mine = trace.quantities.filter((quantity) => quantity.layer === layer);
    const memory = mine.find((quantity) => quantity.name === "c");
    const least = memory ? Math.atanh(trace.like.on) : trace.like.on;
    const quantity = memory ?? mine.find((one) => one.name === "h");
    return { name: quantity.name, values: quantity.values, least };
  });
}

/** Return 1 or −1 if a unit is on, on that side of zero, or else 0. */
function side(memory, unit, n, length) {
  const value = memory.values[unit * length + n];
  return Math.abs(value) >= memory.least ? Math.sign(value) : 0;
}

/** Find the units that are on over a whole span, the rarest first, each with how often it is on and its weight. */
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
  found.forEach((one) => (one.weight = one.bits / all));
  return found.sort((one, other) => one.often - other.often);
}

/** Return the weighted share of the units that are on at every character. */
function similarityTo(trace, units) {
  const shares = new Float64Array(trace.length);
  for (const { memory, unit, here, weight } of units) {
    for (let n = 0; n < trace.length; n++) if (side(memory, unit, n, trace.length) === here) shares[n] += weight;
  }
  return shares;
}

/** Find the windows with the largest means, best first, without overlaps. */
function bestWindows(shares, length, count) {
  const sums = new Float64Array(shares.length + 1);
  shares.forEach((share, n) => (sums[n + 1] = sums[n] + share));
  const means = Array.from({ length: shares.length - length + 1 }, (_, n) => (sums[n + length] - sums[n]) / length);
  const rounded = means.map((mean) => Math.round(mean * 1e9));
  const places = [];
  for (const n of means.map((_, k) => k).sort((one, other) => rounded[other] - rounded[one] || one - other)) {
    if (places.every((other) => Math.abs(other.n - n) >= length)) places.push({ n, similarity: means[n] });
    if (places.length === count) break;
  }
  return places;
}

/** Draw the memory of a unit over the text; the span is shaded. */
function spark(trace, { memory, unit }, start, stop) {
  const value = (n) => strengthOf(memory.name, memory.values[unit * trace.length + n]);
  return curve(trace, value, -1, start, stop);
}

/** Show the results. `choose(layer, unit)` colours the text, `go(n)` moves to a place. */
function drawSpan(trace, start, stop, choose, go) {
  const excerpt = (from, to) => Array.from(trace.text.slice(Math.max(0, from), to), (code) => (code === 32 ? " " : sign(trace, code))).join("");
  const units = unitsOver(trace, start, stop);
  const shares = similarityTo(trace, units);
  document.getElementById("span-title").textContent = `units on over «${excerpt(start, stop)}», characters ${start} to ${stop - 1}`;
  document.getElementById("span-summary").textContent = units.length
    ? `${units.length} of ${trace.hidden * trace.layers} units, the rarest first. Click a unit to colour the text by it.`
    : "No unit is on over the whole span: no memory stays above ½ or below −½.";
  const section = document.getElementById("span-found");
  const rows = units.slice(0, UNITS_SHOWN).map((one) =>
    element("tr", {},
      element("td", { className: "w" }, element("button", { type: "button", textContent: `${one.layer}:${one.unit}`, onclick: () => choose(one.layer, one.unit) })),
      element("td", { className: "wide" }, spark(trace, one, start, stop)),
      element("td", { className: "w context" }, ...(one.until < trace.length
        ? [excerpt(one.until - 5, one.until), element("mark", { textContent: excerpt(one.until, one.until + 1) }), excerpt(one.until + 1, one.until + 5)]
        : ["the end"])),
      element("td", { className: "w", textContent: one.here > 0 ? "above ½" : "below −½" }),
      element("td", { textContent: percent(one.often) })));
  const places = bestWindows(shares, stop - start, trace.like.places).map(({ n, similarity }) =>
    element("tr", {},
      element("td", {}, element("button", { type: "button", textContent: n, onclick: () => go(n) })),
      element("td", { className: "w context" }, excerpt(n - AROUND, n), element("mark", { textContent: excerpt(n, n + stop - start) }), excerpt(n + stop - start, n + stop - start + AROUND)),
      element("td", { textContent: percent(similarity) })));
  section.replaceChildren(...(units.length ? [
    table(["unit", "memory over the text, from −1 to 1", "on until", "memory", "on in the text"], rows, "on", [0, 1, 2, 3]),
    element("h3", { textContent: "other places where they are on" }),
    table(["position", "place", "similarity"], places, "places", [1])] : []));
  return shares;
}

/** Build a table; columns of words are aligned to the left. */
function table(names, rows, id, words) {
  const head = names.map((name, k) => element("th", { scope: "col", textContent: name, className: words.includes(k) ? "w" : "" }));
  return element("div", { className: "scroll" }, element("table", { id }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
}
