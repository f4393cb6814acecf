// Data to save: what the network did while it read the text, and the numbers of the views.

import { csvLine, element, save } from "./dom.js";
import { softmax } from "./sampling.js";

/** Round an activation to seven digits after the point. */
function round(value) {
  return Number.isFinite(value) ? Math.round(value * 1e7) / 1e7 : null;
}

function units({ layers, hidden, quantities }) {
  const layerNumbers = Array.from({ length: layers }, (_, layer) => layer);
  return layerNumbers.flatMap((layer) =>
    quantities.flatMap((name) => Array.from({ length: hidden }, (_, unit) => `layer${layer}.${name}.${unit}`))
  );
}

/** Return a reading as JSON: the text, its surprisal, and the values of every quantity as [unit][character]. */
export function readingAsJson(reading) {
  const { description } = reading.network;
  const places = Array.from({ length: reading.done }, (_, n) => n);
  const layers = Array.from(
    { length: description.layers },
    (_, layer) =>
      Object.fromEntries(description.quantities.map((name) => [
        name,
        Array.from(
          { length: description.hidden },
          (_, unit) => places.map((n) => round(reading.value({ layer, name }, unit, n))),
        ),
      ])),
  );
  const text = Array.from(reading.text.subarray(0, reading.done), (point) => String.fromCodePoint(point)).join("");
  const surprise = Array.from(
    reading.surprisals.subarray(0, reading.done),
    (bits) => Number.isFinite(bits) ? bits : null,
  );
  return [JSON.stringify({ text, surprise_bits: surprise, layers }), "\n"];
}

/** Return a reading as CSV: one row per character, with the columns of `charlstm inspect --format csv`. */
export function readingAsCsv(reading) {
  const { description } = reading.network;
  const head = ["position", "character", "code_point", "surprise_bits", "next", "next_probability"];
  const lines = [csvLine([...head, ...units(description)])];
  for (let n = 0; n < reading.done; n++) {
    const point = reading.text[n];
    const logits = reading.logits(n);
    const p = logits ? softmax(logits) : [];
    let best = 0;
    for (let id = 1; id < p.length; id++) if (p[id] > p[best]) best = id;
    const bits = Number.isNaN(reading.surprisals[n]) ? "" : reading.surprisals[n];
    const code = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
    const row = [
      n,
      String.fromCodePoint(point),
      code,
      bits,
      logits ? String.fromCodePoint(description.vocabulary[best]) : "",
      p[best] ?? "",
    ];
    lines.push(csvLine([...row, ...Array.from(reading.record(n), round)]));
  }
  return lines;
}

/** Return a view as CSV: its parts below each other, each after a line with its name. */
function viewAsCsv(view) {
  return Object.entries(view).filter(([name]) => name !== "remarks").flatMap(([name, part]) => {
    const columns = Object.values(part);
    const cell = (value) => value === null ? "" : typeof value === "object" ? Object.values(value).join(" ") : value;
    const isTable = columns.every(Array.isArray);
    const rows = isTable
      ? columns[0]?.map((_, n) => columns.map((column) => cell(column[n]))) ?? []
      : Object.entries(part).map(([key, value]) => [key, cell(value)]);
    return [csvLine([name]), csvLine(isTable ? Object.keys(part) : ["name", "value"]), ...rows.map(csvLine), "\n"];
  });
}

/** Put the buttons that save data at the head of every tab. `reading()` returns what the live tab shows. */
export function openDownloads(views, reading) {
  const make = (text, label, act) => {
    const made = element("button", { type: "button", textContent: text, onclick: act });
    made.setAttribute("aria-label", label);
    return made;
  };
  for (const place of document.querySelectorAll(".downloads")) {
    const name = place.closest(".panel").id.replace("panel-", "");
    const view = views[name];
    const [csv, json] = view
      ? [() => viewAsCsv(view), () => [JSON.stringify(view), "\n"]]
      : [() => readingAsCsv(reading()), () => readingAsJson(reading())];
    place.append(
      make("CSV", `Save ${name} as CSV`, () => save(`${name}.csv`, "text/csv", csv())),
      make("JSON", `Save ${name} as JSON`, () => save(`${name}.json`, "application/json", json())),
    );
  }
}
