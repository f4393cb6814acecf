// Elements of the page, and files that it saves.

/** Return the element with an id. */
export function part(id) {
  return document.getElementById(id);
}

/** Build an HTML element with properties and contents; strings become text. */
export function element(name, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...inside);
  return made;
}

/** Build an SVG element with attributes and contents. */
export function drawn(name, attributes = {}, ...inside) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

/** Build a button. */
export function button(text, act, properties = {}) {
  return element("button", { type: "button", textContent: text, onclick: act, ...properties });
}

/** Enable a button or disable it; the focus moves from a disabled button to another control. */
export function enable(control, isEnabled, next) {
  const isFocused = document.activeElement === control;
  control.disabled = !isEnabled;
  if (isFocused && !isEnabled) next.focus();
}

/** Build a table in a box that scrolls; columns of words are aligned to the left. */
export function table(names, rows, id, words) {
  const head = names.map((name, k) =>
    element("th", { scope: "col", textContent: name, className: words.includes(k) ? "w" : "" })
  );
  return element(
    "div",
    { className: "scroll" },
    element("table", { id }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)),
  );
}

/** Save a text as a file. */
export function save(name, type, pieces) {
  const address = URL.createObjectURL(new Blob(pieces, { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Return a line of CSV; cells with commas, quotes or line breaks are quoted. */
export function csvLine(cells) {
  const written = cells.map((cell) => /[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell);
  return `${written.join(",")}\n`;
}
