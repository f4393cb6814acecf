// The interventions of the user: buttons for the chosen unit, a list of what is active, and undo.

import { button, element, part } from "./dom.js";
import { addIntervention, asOption } from "./interventions.js";
import { nameQuantity } from "./quantities.js";
import { describeIntervention } from "./words.js";

/** The list of interventions with its past. `changed(list)` is called after every change. */
export class Interventions {
  constructor(description, chosen, changed) {
    Object.assign(this, { description, chosen, changed, list: [], past: [] });
    const { forget, logistic } = description;
    const add = (kind, more = {}) => () => this.add({ kind, ...this.chosen(part("since").value), ...more });
    part("ablate").onclick = add("ablate");
    part("freeze").hidden = forget === null;
    part("freeze").onclick = () => this.add({ kind: "freeze", ...this.chosen("here") });
    part("set").onclick = () => this.setMemory();
    part("force").append(...logistic.flatMap((gate) => [
      element("span", { textContent: `${nameQuantity(gate)} ${gate}` }),
      ...[["open", 1], ["closed", 0]].map(([word, value]) => {
        const made = button(word, add("gate", { gate, value }));
        made.setAttribute("aria-label", `Hold the ${nameQuantity(gate)} ${word}`);
        return made;
      }),
    ]));
    part("intervene").addEventListener("submit", (event) => event.preventDefault());
    part("undo").onclick = () => this.undo();
    part("clear").onclick = () => this.replace([]);
    this.draw();
    this.aim(0, null);
  }

  setMemory() {
    const value = part("set-value").valueAsNumber;
    if (Number.isFinite(Math.fround(value))) this.add({ kind: "set", ...this.chosen("here"), value });
  }

  /** Add an intervention, if a unit is chosen. */
  add(made) {
    if (made.unit !== null) this.replace(addIntervention(this.list, made));
  }

  /** Replace all interventions; undo brings the earlier ones back. */
  replace(list) {
    this.past.push(this.list);
    this.show(list);
  }

  undo() {
    if (this.past.length) this.show(this.past.pop());
  }

  show(list) {
    this.list = list;
    this.draw();
    this.changed(list);
  }

  draw() {
    part("changes").replaceChildren(...this.list.map((one) => {
      const words = describeIntervention(one);
      const remove = button("remove", () => {
        this.replace(this.list.filter((other) => other !== one));
        part("undo").focus(); // the button is gone
      });
      remove.setAttribute("aria-label", `Remove: ${words}`);
      return element("li", {}, element("span", { textContent: words }), remove);
    }));
    enable(part("undo"), this.past.length > 0, part("since"));
    enable(part("clear"), this.list.length > 0, part("undo"));
    if (this.list.length) part("interventions").open = true;
    part("command").textContent = this.list.length
      ? `The command does the same: charlstm inspect --view patch ${this.list.map(asOption).join(" ")} …`
      : "";
  }

  /** Show which unit the buttons change. */
  aim(layer, unit) {
    part("intervene-unit").textContent = unit === null ? "a unit: choose one first" : `unit ${layer}:${unit}`;
    for (const control of part("intervene").querySelectorAll("button")) control.disabled = unit === null;
  }

  /** Show at which character an intervention would begin. */
  locate(n, sign) {
    const name = n < 0 ? "character 0" : `character ${n} «${sign}»`;
    part("since-here").textContent = `character ${Math.max(0, n)}`;
    part("at-once").textContent = `at ${name}:`;
  }
}
