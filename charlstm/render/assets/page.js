// The page: tabs, theme, the live model, and what the address keeps.

import { openControls } from "./controls.js";
import { element, part } from "./dom.js";
import { openDownloads } from "./downloads.js";
import { formatFragment, parseFragment } from "./fragment.js";
import { addIntervention } from "./interventions.js";
import { legend } from "./legend.js";
import { Live } from "./live.js";
import { Network } from "./network.js";
import { nextTask, unpackArrays } from "./numbers.js";

const ADDRESS_PAUSE = 500; // ms; browsers refuse an address that changes all the time
const THEMES = ["system", "light", "dark"];

/** Show one tab at a time; return a function that opens one by its name. */
function openTabs(opened) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const open = (tab, focus) => {
    for (const other of tabs) {
      other.setAttribute("aria-selected", other === tab);
      other.tabIndex = other === tab ? 0 : -1;
      part(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
    if (focus) tab.focus();
    tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    opened(tab.id.replace("tab-", ""));
  };
  for (const [k, tab] of tabs.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: k - 1, ArrowRight: k + 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      open(tabs[(to + tabs.length) % tabs.length], true);
    });
  }
  return (name) => open(tabs.find((tab) => tab.id === `tab-${name}`) ?? tabs[0]);
}

/** Offer the theme of the system, a light one and a dark one. */
function openTheme(changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = 0;
  const wear = () => {
    const name = THEMES[chosen];
    document.documentElement.dataset.theme = name === "system" ? (system.matches ? "dark" : "light") : name;
    part("theme").textContent = `theme: ${name}`;
    changed();
  };
  system.addEventListener("change", wear);
  window.addEventListener("beforeprint", () => { // paper is white
    document.documentElement.dataset.theme = "light";
    changed();
  });
  window.addEventListener("afterprint", wear);
  part("theme").addEventListener("click", () => {
    chosen = (chosen + 1) % THEMES.length;
    wear();
  });
  wear();
}

/** Show the scale of the shades of every coloured text, and the value behind a shade as a tooltip. */
function openStrips(views, palette) {
  const { bits } = palette;
  const scales = {
    share: { low: 0, middle: 0.5, high: 1 },
    signed: { low: -1, middle: 0, high: 1 },
    bits: { low: 0, middle: bits / 2, high: `${bits} or more` },
  };
  for (const place of document.querySelectorAll("[data-scale]")) {
    legend(place, palette, { ...scales[place.dataset.scale], unitLabel: place.dataset.label });
  }
  document.querySelector("main").addEventListener("pointerover", (event) => {
    const cell = event.target;
    if (cell.tagName !== "I" || cell.title || !cell.closest(".part.strip")) return;
    const section = cell.closest(".part.strip");
    const view = views[cell.closest(".panel").id.replace("panel-", "")];
    const values = view?.[section.dataset.part];
    if (!values) return;
    const row = [...cell.closest(".line").children].indexOf(cell.closest(".line > div"));
    const lines = [...section.querySelectorAll(".line")];
    const before = lines.slice(0, lines.indexOf(cell.closest(".line")));
    const here = [...cell.parentElement.children].indexOf(cell);
    const n = before.reduce((sum, line) => sum + line.firstElementChild.lastElementChild.children.length, here);
    const value = Object.values(values)[row + 2][n]; // after position and character
    cell.title = value === null ? "–" : `${n}: ${Number(value).toPrecision(3)}`;
  });
}

/** Keep what the user sees in the address, and follow an address that changes. */
function openAddress(live, tab, openTab) {
  const { description } = live;
  let timer = null;
  let written = "";
  const write = () => {
    const { layer, unit, colour, label } = live;
    const [quantity, interventions] = [live.quantity.key, live.interventions.list];
    written = formatFragment({
      text: live.typed,
      label,
      n: live.goal ?? live.n,
      layer,
      unit,
      tab: tab(),
      quantity,
      colour,
      interventions,
    });
    try {
      history.replaceState(null, "", written);
    } catch {
      // a page inside another page has no address of its own
    }
  };
  const restore = () => {
    const state = parseFragment(location.hash, description);
    if (description.labels.some(([name]) => name === state.label)) live.setLabel(state.label);
    const first = live.texts[0] ?? { text: "", label: null, place: -1 };
    if (state.text === undefined) live.open(first);
    else live.type(state.text);
    const list = state.interventions.reduce(addIntervention, []);
    if (list.length || live.interventions.list.length) live.interventions.replace(list);
    const unit = state.unit === undefined ? live.unit : state.unit;
    if (state.layer !== undefined) live.choose(state.layer, unit, live.n, { keep: true });
    if (state.colour && document.querySelector(`#colour [value="${CSS.escape(state.colour)}"]`)) {
      live.colourBy(state.colour);
    }
    if (state.quantity) live.showQuantity(state.quantity);
    if (state.n !== undefined) live.select(state.n);
    if (state.tab) openTab(state.tab);
  };
  window.addEventListener("hashchange", () => location.hash !== written && restore());
  restore();
  live.moved = () => {
    clearTimeout(timer);
    timer = setTimeout(write, ADDRESS_PAUSE);
  };
}

async function openPage() {
  const known = JSON.parse(part("data").textContent);
  let live = null;
  let tab = known.first;
  openTheme(() => live?.recolour());
  if (known.live) {
    const weights = await unpackArrays(part("weights").textContent, known.live.weights);
    part("weights").remove(); // the largest text of the page
    const network = new Network(known.live.model, weights);
    await nextTask(); // each part of the page takes a while, and in between the browser may draw
    if (network.cell) live = new Live({ ...known.live, palette: known.palette }, network, () => {});
    else {
      part("panel-live").replaceChildren(element("p", {
        className: "remark",
        textContent:
          `The page has no function for the cell ${known.live.model.cell}, so it cannot run this network. The other tabs show it.`,
      }));
    }
  }
  await nextTask();
  const openTab = openTabs((name) => {
    tab = name;
    if (name === "live") live?.resize();
    live?.moved();
  });
  openDownloads(known.views, () => live.shown);
  openStrips(known.views, known.palette);
  openTab(known.first);
  await nextTask();
  if (live) {
    openControls(live);
    await nextTask();
    openAddress(live, () => tab, openTab);
    await live.whenShown();
  }
  Object.assign(document.documentElement.dataset, { ready: "yes", opened: performance.now() });
}

openPage();
