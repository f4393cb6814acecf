// The cell as the article draws it, with its values at one character.

/** Return the class of the shade of a value between −1 and 1. */
function shade(trace, strength) {
  const steps = trace.palette.steps;
  return Number.isNaN(strength) ? "" : `s${Math.round(steps * Math.max(-1, Math.min(1, strength))) || 0}`;
}

const MEMORIES = new Set(["c", "c before", "kept"]);

/** Return how dark a value is drawn: a cell state by its tanh, everything else by the value itself. */
function strengthOf(name, value) {
  return MEMORIES.has(name) ? Math.tanh(value) : value;
}

/** Return the mean of tanh(c) over all units at one character. */
function meanMemory(trace, { values }, n) {
  let sum = 0;
  for (let k = n; k < values.length; k += trace.length) sum += Math.tanh(values[k]);
  return sum / trace.hidden;
}

/** Return every value of the cell by its name in the drawing; NaN where there is none. */
function cellAt(trace, layer, unit, n) {
  const read = (quantity, at) => {
    if (at < 0) return Number.isNaN(trace.surprise[0]) ? 0 : NaN; // a line starts after its newline was read
    return unit === null ? quantity.mean[at] : quantity.values[unit * trace.length + at];
  };
  const numbers = new Map();
  for (const quantity of trace.quantities.filter((one) => one.layer === layer)) {
    const put = (name, value) => numbers.set(name, { value, signed: !quantity.share });
    put(quantity.name, read(quantity, n));
    put(`${quantity.name} before`, read(quantity, n - 1));
    if (quantity.name === "c") put("memory", unit === null ? meanMemory(trace, quantity, n) : Math.tanh(read(quantity, n)));
  }
  const of = (name) => numbers.get(name)?.value ?? NaN;
  if (unit !== null && numbers.has("f")) {
    numbers.set("kept", { value: of("f") * of("c before"), signed: true });
    numbers.set("written", { value: of("i") * of("c_tilde"), signed: true });
  }
  return numbers;
}

/** Write the values into the drawing; cells with other gates get a list. */
function drawCell(trace, layer, unit, n) {
  const numbers = cellAt(trace, layer, unit, n);
  const write = ({ value, signed }) => (Number.isNaN(value) ? "" : number(value, signed));
  const isLstm = numbers.has("f") && numbers.has("c");
  document.getElementById("whose").textContent =
    unit === null ? `layer ${layer}, mean of ${trace.hidden} units` : `layer ${layer}, unit ${unit}`;
  document.getElementById("diagram").toggleAttribute("hidden", !isLstm);
  for (const place of document.querySelectorAll("#diagram [data-value]")) {
    const name = place.dataset.value;
    place.textContent = name === "x" ? `«${sign(trace, trace.text[n])}»` : numbers.has(name) ? write(numbers.get(name)) : "";
  }
  for (const place of document.querySelectorAll("#diagram [data-shade]")) {
    const name = place.dataset.shade;
    const kind = place.classList[0];
    place.setAttribute("class", `${kind} ${shade(trace, strengthOf(name, numbers.get(name)?.value ?? NaN))}`);
  }
  const list = document.getElementById("values");
  list.hidden = isLstm;
  list.replaceChildren(
    ...(isLstm ? [] : [...numbers]).flatMap(([name, one]) => [
      element("dt", { textContent: name.replace("_tilde", "~").replace(" before", "′") }),
      element("dd", { textContent: write(one), className: `shaded ${shade(trace, strengthOf(name, one.value))}` }),
    ]),
  );
  list.querySelectorAll("dd").forEach((place, k) => (place.dataset.value = [...numbers.keys()][k]));
  document.getElementById("equation").textContent = isLstm ? equation(numbers, unit, write) : "";
}

/** Return the equations of the cell state and the hidden state with their values. */
function equation(numbers, unit, write) {
  if (unit === null) return "These are means. The equations c = f⊙c′ + i⊙c~ and h = o⊙tanh(c) hold for each unit; select a unit to see them.";
  const [f, before, i, candidate, c, o, memory, h] = ["f", "c before", "i", "c_tilde", "c", "o", "memory", "h"].map((name) =>
    write(numbers.get(name)) || "?",
  );
  return `c = ${f}·${before} + ${i}·${candidate} = ${c}      h = ${o}·${memory} = ${h}`;
}

const POINTS = 600; // the most that a curve has, for a text of any length

/** Draw a small curve of a value over the text, from a lowest value to 1; a part of the text is marked. */
function curve(trace, value, lowest, start, stop) {
  const height = (strength) => (38 - (36 * (strength - lowest)) / (1 - lowest)).toFixed(1);
  const step = Math.max(1, Math.floor(trace.length / POINTS));
  const points = [];
  for (let n = 0; n < trace.length; n += step) points.push(`${n + 0.5} ${height(value(n))}`);
  return drawn("svg", { class: "spark", viewBox: `0 0 ${trace.length} 40`, preserveAspectRatio: "none", "aria-hidden": "true" },
    drawn("rect", { x: start, width: stop - start, height: 40 }),
    drawn("path", { class: "zero", d: `M0 ${height(0)}H${trace.length}` }),
    drawn("path", { d: `M${points.join("L")}` }));
}

/** Draw every quantity over the whole text, with a mark at the position; only for another unit draw all again. */
function drawOver(trace, layer, unit, n) {
  const body = document.getElementById("over").tBodies[0];
  const whose = `${layer}:${unit}`;
  if (body.dataset.whose !== whose) {
    body.dataset.whose = whose;
    body.replaceChildren(...trace.quantities.filter((one) => one.layer === layer).map(({ name, share, mean, values }) => {
      const value = (at) => strengthOf(name, unit === null ? mean[at] : values[unit * trace.length + at]);
      const label = element("th", { scope: "row", textContent: name === "c" ? "tanh(c)" : name.replace("_tilde", "~") });
      return element("tr", {}, label, element("td", { className: "wide" }, curve(trace, value, share ? 0 : -1, n, n + 1)));
    }));
  }
  for (const mark of body.querySelectorAll("rect")) mark.setAttribute("x", n);
}
