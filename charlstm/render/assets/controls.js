// The controls of the live tab: the text field, the strip of the text, the choices of what is shown, and keys.

import { button, element, part } from "./dom.js";
import { BITS, drawColourLegend, SIMILARITY } from "./panels.js";
import { quantitiesOf } from "./quantities.js";

const PLAY_PAUSE = 120; // ms between two characters
const NARROW = 560; // pixels of a window that opens without the interventions

/** Connect the controls with the live tab. */
export function openControls(live) {
  part("interventions").open = innerWidth > NARROW;
  fillChoices(live);
  listenToField(live);
  listenToStrip(live);
  listenToChoices(live);
  openPlayer(live);
  live.controlled = () => showChoices(live);
  live.offered = (units) => offerUnits(live, units);
  showChoices(live);
}

function fillChoices(live) {
  const { description, texts } = live;
  const named = (text, k) => {
    const made = button(k + 1, () => live.open(text));
    made.setAttribute("aria-label", `Text ${k + 1}`);
    made.title = text.text.slice(0, 80);
    return made;
  };
  part("examples").append(...texts.map(named));
  part("examples").hidden = !texts.length;
  part("label").append(...description.labels.map(([name]) => new Option(name, name)));
  part("label").parentElement.hidden = !description.labels.length;
  part("layer").append(...Array.from({ length: description.layers }, (_, k) => new Option(k, k)));
  part("layer").parentElement.hidden = description.layers === 1;
  for (const term of document.querySelectorAll("#terms [data-of]")) {
    const isKnown = description.quantities.includes(term.dataset.of);
    for (const one of [term, term.nextElementSibling]) one.hidden = !isKnown;
  }
  part("unit").max = description.hidden - 1;
  const quantities = quantitiesOf(description, 0);
  part("colour").append(new Option("surprisal", BITS));
  const ofUnit = element("optgroup", { label: "of the unit" });
  ofUnit.append(...quantities.map(({ key, title }) => new Option(title, key)));
  part("colour").append(ofUnit, new Option("similarity to span", SIMILARITY));
  part("quantities").append(...quantities.map(({ key, title }) => {
    const made = button(title, () => {
      live.showQuantity(key);
      live.moved();
    }, { value: key });
    made.setAttribute("role", "radio");
    return made;
  }));
}

/** Show in the choices what the live tab shows. */
function showChoices(live) {
  part("layer").value = live.layer;
  part("unit").value = live.unit ?? "";
  part("label").value = live.label ?? "";
  part("colour").querySelector(`[value=${SIMILARITY}]`).disabled = !live.similarity;
  part("colour").value = live.colour;
  drawColourLegend(live);
  for (const made of part("quantities").children) {
    const isShown = made.value === live.quantity?.key;
    made.setAttribute("aria-checked", isShown);
    made.tabIndex = isShown ? 0 : -1;
  }
}

function offerUnits(live, units) {
  const made = units.map(([layer, unit]) =>
    button(live.description.layers > 1 ? `${layer}:${unit}` : unit, () => live.choose(layer, unit))
  );
  part("steadiest").replaceChildren("steadiest units:", ...made);
}

function listenToField(live) {
  part("typed").addEventListener("input", (event) => live.type(event.target.value));
}

/** Show a character on hover, select it on a click, select a span on a drag; and the same with keys. */
function listenToStrip(live) {
  const box = part("strip");
  let from = null;
  const over = (event) => live.strip.at(event.clientX, event.clientY);
  const select = (isSelected) => {
    live.isSelected = isSelected;
    live.draw();
  };
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
      live.span = { anchor: from.n, head: n };
      live.strip.select(...live.ends());
    } else if (!live.isSelected) live.move(n);
  });
  window.addEventListener("pointerup", () => {
    if (from?.moved) live.search();
    else if (from?.n !== undefined) {
      live.isSelected = !(live.isSelected && live.n === from.n);
      live.move(from.n);
    }
    from = null;
  });
  const steps = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -10,
    ArrowDown: 10,
    PageUp: -100,
    PageDown: 100,
    Home: -Infinity,
    End: Infinity,
  };
  const key = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      live.isSelected = true;
      live.move(live.n + steps[event.key], event.shiftKey);
    } else if (event.key === "Enter") select(true);
    else if (event.key === " ") part("play").click();
    else return;
    event.preventDefault();
  };
  box.addEventListener("keydown", key);
  document.addEventListener("keydown", (event) => { // right after loading nothing has the focus
    if (event.target === document.body && !part("panel-live").hidden) key(event);
  });
  part("panel-live").addEventListener("keydown", (event) => event.key === "Escape" && select(false));
}

function listenToChoices(live) {
  part("looking").addEventListener("submit", (event) => event.preventDefault());
  part("label").addEventListener("change", (event) => live.setLabel(event.target.value));
  part("layer").addEventListener("change", (event) => live.choose(Number(event.target.value), live.unit));
  part("unit").addEventListener("input", (event) => {
    const unit = event.target.value === "" ? null : Number(event.target.value);
    if (unit === null || (Number.isInteger(unit) && unit >= 0 && unit < live.description.hidden)) {
      live.choose(live.layer, unit);
    }
  });
  part("colour").addEventListener("change", (event) => live.colourBy(event.target.value));
  part("closer").addEventListener("click", () => live.map.zoom(1.5));
  part("farther").addEventListener("click", () => live.map.zoom(1 / 1.5));
  part("whole").addEventListener("click", () => live.map.whole());
  part("quantities").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const buttons = [...part("quantities").children];
    const at = buttons.findIndex((one) => one.value === live.quantity.key);
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.click();
    next.focus();
  });
}

/** Move through the text, character by character, until its end. */
function openPlayer(live) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    part("play").textContent = "play";
  };
  part("play").onclick = () => {
    if (timer !== null) return stop();
    if (live.n >= live.text.length - 1) live.move(0);
    part("play").textContent = "pause";
    timer = setInterval(() => {
      if (live.n >= live.text.length - 1) return stop();
      if (live.n + 1 < live.shown.done) live.move(live.n + 1);
    }, PLAY_PAUSE);
  };
}
