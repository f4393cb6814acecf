// The page: tabs, light and dark theme, downloads.

function openTabs(opened) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const open = (tab, focus) => {
    for (const other of tabs) {
      other.setAttribute("aria-selected", other === tab);
      other.tabIndex = other === tab ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
    if (focus) tab.focus();
    tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    opened(tab.id);
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
  open(document.getElementById(`tab-${known.first}`));
}

/** Follow the theme of the system until the button is used. */
function openTheme(changed) {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const wear = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-pressed", theme === "dark");
    changed();
  };
  const follow = () => wear(system.matches ? "dark" : "light");
  system.addEventListener("change", follow);
  button.addEventListener("click", () => {
    system.removeEventListener("change", follow);
    wear(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  });
  follow();
}

/** Return a view as CSV: its parts below each other, each after a line with its name. */
function viewAsCsv(view) {
  return Object.entries(view).filter(([name]) => name !== "remarks").flatMap(([name, part]) => {
    const columns = Object.values(part);
    const cell = (value) => (value === null ? "" : typeof value === "object" ? Object.values(value).join(" ") : value);
    const isTable = columns.every(Array.isArray);
    const rows = isTable ? columns[0]?.map((_, n) => columns.map((column) => cell(column[n]))) ?? [] : Object.entries(part).map(([key, value]) => [key, cell(value)]);
    return [csvLine([name]), csvLine(isTable ? Object.keys(part) : ["name", "value"]), ...rows.map(csvLine), "\n"];
  });
}

function openDownloads(trace) {
  const button = (text, label, act) => {
    const made = element("button", { type: "button", textContent: text, onclick: act });
    made.setAttribute("aria-label", label);
    return made;
  };
  for (const place of document.querySelectorAll(".downloads")) {
    const name = place.closest(".panel").id.replace("panel-", "");
    const view = known.views[name];
    const [csv, json] = view
      ? [() => viewAsCsv(view), () => [JSON.stringify(view), "\n"]]
      : [() => traceAsCsv(trace), () => traceAsJson(trace)];
    place.append(
      button("CSV", `Save ${name} as CSV`, () => save(`${name}.csv`, "text/csv", csv())),
      button("JSON", `Save ${name} as JSON`, () => save(`${name}.json`, "application/json", json())));
  }
}

/** Show the value behind the shade of a character as a tooltip. */
function openStrips() {
  document.querySelector("main").addEventListener("pointerover", (event) => {
    const cell = event.target;
    if (cell.tagName !== "I" || cell.title || !cell.closest(".part.strip")) return;
    const section = cell.closest(".part.strip");
    const view = known.views[cell.closest(".panel").id.replace("panel-", "")];
    const part = view?.[section.dataset.part];
    if (!part) return;
    const row = [...cell.closest(".line").children].indexOf(cell.closest(".line > div"));
    const before = [...section.querySelectorAll(".line")].slice(0, [...section.querySelectorAll(".line")].indexOf(cell.closest(".line")));
    const n = before.reduce((sum, line) => sum + line.firstElementChild.lastElementChild.children.length, [...cell.parentElement.children].indexOf(cell));
    const value = Object.values(part)[row + 2][n]; // after position and character
    cell.title = value === null ? "–" : `${n}: ${Number(value).toPrecision(3)}`;
  });
}

async function openPage() {
  const trace = known.trace && (await unpacked(known.trace));
  let shown = null;
  openTheme(() => shown?.recolour());
  shown = trace && openTrace(trace);
  openTabs((id) => id === "tab-trace" && shown?.resize());
  openDownloads(trace);
  openStrips();
  document.documentElement.dataset.ready = "yes";
}

openPage();
