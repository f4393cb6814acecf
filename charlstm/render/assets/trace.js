// The trace: a text to explore. One object holds the current position; everything on the screen follows from it.

const BITS = "surprise";
const SIMILARITY = "similarity";

/** Start the tab of the trace; return the functions to call when the colours or the size of the page change. */
function openTrace(trace) {
  const at = { n: 0, layer: 0, unit: null, selected: false, quantity: null, colour: BITS, span: null, similarity: null };
  const part = (id) => document.getElementById(id);
  const cells = strip(trace, part("strip"));
  const here = (name) => trace.quantities.find((one) => one.layer === at.layer && one.name === name);
  const map = new HeatMap(part("map"), trace, (unit, n) => choose(at.layer, unit, n, at.quantity), (unit, n) => say(unit, n));

  function move(n, extend) {
    const to = Math.max(0, Math.min(trace.length - 1, n));
    if (extend) {
      const from = at.span && at.span.head === at.n ? at.span.anchor : at.n;
      at.span = { anchor: from, head: to };
    }
    cells[at.n].classList.remove("here");
    at.n = to;
    cells[at.n].classList.add("here");
    reveal(part("strip"), cells[at.n]);
    map.mark(at.unit, at.n, true);
    drawNow();
    if (extend) search();
  }

  function choose(layer, unit, n, colour) {
    const fresh = layer !== at.layer;
    Object.assign(at, { layer, unit, colour, selected: true });
    part("layer").value = layer;
    part("unit").value = unit ?? "";
    if (fresh) quantityShown(at.quantity);
    part("colour").value = colour;
    move(n);
    paint();
  }

  function select(selected) {
    at.selected = selected;
    drawNow();
  }

  function say(unit, n) {
    const { values, share, name } = here(at.quantity);
    const value = number(values[unit * trace.length + n], !share);
    part("map-value").textContent = `unit ${at.layer}:${unit}, character ${n} «${sign(trace, trace.text[n])}»: ${name.replace("_tilde", "~")} = ${value}`;
  }

  /** Show the character, its surprisal, the prediction after it, and the cell. */
  function drawNow() {
    const { n } = at;
    const shown = sign(trace, trace.text[n]);
    const bits = Number.isNaN(trace.surprise[n]) ? "–" : trace.surprise[n].toFixed(2);
    part("sign").textContent = shown;
    part("sign").classList.toggle("long", shown.length > 2);
    part("bits").textContent = bits;
    part("place").textContent = `character ${n} of 0 … ${trace.length - 1}${at.selected ? ", selected" : ""}`;
    const count = trace.guess.length / trace.length;
    const guesses = Array.from({ length: count }, (_, k) => [sign(trace, trace.vocabulary[trace.guess[n * count + k]]), trace.chance[n * count + k]]);
    const next = n + 1 < trace.length ? sign(trace, trace.text[n + 1]) : null;
    part("guesses").tBodies[0].replaceChildren(...guesses.map(([guess, chance]) => guessRow(guess, chance, guess === next)));
    part("next").textContent = next === null ? "The text ends here." : `The next character is «${next}», predicted with ${percent(2 ** -trace.surprise[n + 1])}.`;
    drawCell(trace, at.layer, at.unit, n);
    drawOver(trace, at.layer, at.unit, n);
    if (at.unit !== null) say(at.unit, n);
    const slider = part("strip");
    slider.setAttribute("aria-valuenow", n);
    slider.setAttribute("aria-valuetext", `${shown}, ${bits} bits; next ${guesses.slice(0, 3).map(([guess, chance]) => `${guess} ${percent(chance)}`).join(", ")}`);
  }

  /** Colour the text by the selected quantity. */
  function paint() {
    const quantity = here(at.colour);
    const strength = (n) => {
      if (at.colour === BITS) return trace.surprise[n] / trace.palette.bits;
      if (at.colour === SIMILARITY) return at.similarity ? at.similarity[n] : 0;
      const value = at.unit === null ? quantity.mean[n] : quantity.values[at.unit * trace.length + n];
      return strengthOf(quantity.name, value);
    };
    cells.forEach((cell, n) => (cell.className = shade(trace, strength(n))));
    cells[at.n].classList.add("here");
    markSpan();
  }

  function markSpan() {
    const [start, stop] = ends();
    cells.forEach((cell, n) => cell.classList.toggle("in", n >= start && n < stop));
  }

  function ends() {
    return at.span ? [Math.min(at.span.anchor, at.span.head), Math.max(at.span.anchor, at.span.head) + 1] : [0, 0];
  }

  function search() {
    const [start, stop] = ends();
    markSpan();
    at.similarity = drawSpan(trace, start, stop, (layer, unit) => choose(layer, unit, at.n, here("c") ? "c" : "h"), (n) => {
      move(n);
      part("strip").scrollIntoView({ block: "center" });
    });
    part("colour").querySelector(`[value=${SIMILARITY}]`).disabled = false;
    if (at.colour === SIMILARITY) paint();
  }

  function quantityShown(name) {
    at.quantity = name;
    for (const button of part("quantities").children) {
      const chosen = button.value === name;
      button.setAttribute("aria-checked", chosen);
      button.tabIndex = chosen ? 0 : -1;
    }
    map.show(here(name), document.documentElement.dataset.theme);
  }

  /** Show a character on hover, select it on a click, select a span on a drag; and the same with keys. */
  function listenToText() {
    const box = part("strip");
    let from = null;
    const over = (event) => document.elementFromPoint(event.clientX, event.clientY)?.place;
    box.addEventListener("pointerdown", (event) => {
      from = { n: over(event), moved: false };
      box.focus({ preventScroll: true });
      event.preventDefault(); // otherwise the browser selects the text
    });
    box.addEventListener("pointermove", (event) => {
      const n = over(event);
      if (n === undefined) return;
      if (from?.n !== undefined && event.buttons && n !== from.n) from.moved = true;
      if (from?.moved) {
        at.span = { anchor: from.n, head: n };
        markSpan();
      } else if (!at.selected) move(n);
    });
    window.addEventListener("pointerup", () => {
      if (from?.moved) search();
      else if (from?.n !== undefined) {
        at.selected = !(at.selected && at.n === from.n);
        move(from.n);
      }
      from = null;
    });
    box.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -10, ArrowDown: 10, PageUp: -100, PageDown: 100, Home: -Infinity, End: Infinity };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in steps) {
        at.selected = true;
        move(at.n + steps[event.key], event.shiftKey);
      } else if (event.key === "Enter") select(true);
      else return;
      event.preventDefault();
    });
    part("panel-trace").addEventListener("keydown", (event) => event.key === "Escape" && select(false));
  }

  function listenToControls() {
    document.querySelector("#panel-trace .controls").addEventListener("submit", (event) => event.preventDefault());
    part("layer").addEventListener("change", (event) => {
      at.layer = Number(event.target.value);
      quantityShown(at.quantity);
      drawNow();
      paint();
    });
    part("unit").max = trace.hidden - 1;
    part("unit").addEventListener("input", (event) => {
      const unit = event.target.value === "" ? null : Number(event.target.value);
      if (unit !== null && !(Number.isInteger(unit) && unit >= 0 && unit < trace.hidden)) return;
      at.unit = unit;
      map.mark(unit, at.n, true);
      drawNow();
      paint();
    });
    part("colour").addEventListener("change", (event) => {
      at.colour = event.target.value;
      paint();
    });
    part("closer").addEventListener("click", () => map.zoom(1.5));
    part("farther").addEventListener("click", () => map.zoom(1 / 1.5));
    part("whole").addEventListener("click", () => map.whole());
    part("quantities").addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      const buttons = [...part("quantities").children];
      const next = buttons[(buttons.findIndex((one) => one.value === at.quantity) + step + buttons.length) % buttons.length];
      quantityShown(next.value);
      next.focus();
    });
  }

  function fillControls() {
    const names = trace.quantities.filter((one) => one.layer === 0).map((one) => one.name);
    const shown = (name) => name.replace("_tilde", "~");
    part("layer").append(...Array.from({ length: trace.layers }, (_, k) => new Option(k, k)));
    part("layer").parentElement.hidden = trace.layers === 1;
    part("colour").append(new Option("surprisal", BITS));
    for (const name of names) part("colour").append(new Option(name === "c" ? "tanh(c) of the unit" : `${shown(name)} of the unit`, name));
    part("colour").append(Object.assign(new Option("similarity to the span", SIMILARITY), { disabled: true }));
    part("quantities").append(...names.map((name) => {
      const button = element("button", { type: "button", value: name, textContent: shown(name), onclick: () => quantityShown(name) });
      button.setAttribute("role", "radio");
      return button;
    }));
    part("steadiest").append(...trace.steadiest.map(([layer, unit]) => element("button", {
      type: "button",
      textContent: trace.layers > 1 ? `${layer}:${unit}` : unit,
      onclick: () => choose(layer, unit, at.n, here("c") ? "c" : "h"),
    })));
    part("strip").setAttribute("aria-valuemax", trace.length - 1);
    part("colour").form.querySelector(".scale").append(...[-20, -15, -10, -5, 0, 5, 10, 15, 20].map((step) => element("i", { className: `s${step}` })));
    quantityShown(names.includes("c") ? "c" : names[0]);
  }

  fillControls();
  listenToText();
  listenToControls();
  choose(...trace.steadiest[0], 0, here("c") ? "c" : "h"); // start with the steadiest unit, which shows what a memory is for
  select(false);
  return { recolour: () => quantityShown(at.quantity), resize: () => map.resized() };
}

const LINE_ENDS = [10, 0xffff]; // the newline, and the end symbol of a document

/** Build the text: one element per character, with its position; a document begins on a line of its own. */
function strip(trace, box) {
  const cells = Array.from(trace.text, (code, n) => element("span", { textContent: code === 32 ? " " : sign(trace, code), place: n }));
  cells.forEach((cell, n) => box.append(cell, ...(LINE_ENDS.includes(trace.text[n]) ? [element("br")] : [])));
  return cells;
}

/** Scroll a box, but not the page around it, until an element in it is visible. */
function reveal(box, inside) {
  const over = inside.offsetTop + inside.offsetHeight + 12 - box.clientHeight;
  box.scrollTop = Math.max(over, Math.min(inside.offsetTop - 12, box.scrollTop));
}

function guessRow(guess, chance, isNext) {
  const bar = drawn("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, drawn("rect", { width: 100 * chance, height: 10 }));
  return element("tr", { className: isNext ? "next" : "" }, element("th", { scope: "row", textContent: guess }), element("td", { textContent: percent(chance) }), element("td", { className: "bar" }, bar));
}

/** Round an activation to the digits that the page has. */
function round(value) {
  return Math.round(value * 1e7) / 1e7;
}

/** Return the trace as JSON: the text, and the values of every quantity as [unit][character]. */
function traceAsJson(trace) {
  const text = Array.from(trace.text, (code) => String.fromCodePoint(code)).join("");
  const layers = Array.from({ length: trace.layers }, () => ({}));
  for (const { layer, name, values } of trace.quantities) {
    layers[layer][name] = Array.from({ length: trace.hidden }, (_, unit) => Array.from(values.subarray(unit * trace.length, (unit + 1) * trace.length), round));
  }
  const surprise = Array.from(trace.surprise, (bits) => (Number.isNaN(bits) ? null : bits));
  return [JSON.stringify({ text, surprise_bits: surprise, layers }), "\n"];
}

/** Return the trace as CSV: one row per character, with the columns of `charlstm inspect --format csv`. */
function traceAsCsv(trace) {
  const names = trace.quantities.flatMap(({ layer, name }) => Array.from({ length: trace.hidden }, (_, unit) => `layer${layer}.${name}.${unit}`));
  const count = trace.guess.length / trace.length;
  const lines = [csvLine(["position", "character", "code_point", "surprise_bits", "next", "next_probability", ...names])];
  for (let n = 0; n < trace.length; n++) {
    const code = trace.text[n];
    const bits = Number.isNaN(trace.surprise[n]) ? "" : trace.surprise[n];
    const point = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
    const row = [n, String.fromCodePoint(code), point, bits, String.fromCodePoint(trace.vocabulary[trace.guess[n * count]]), trace.chance[n * count]];
    for (const { values } of trace.quantities) {
      for (let unit = 0; unit < trace.hidden; unit++) row.push(round(values[unit * trace.length + n]));
    }
    lines.push(csvLine(row));
  }
  return lines;
}
