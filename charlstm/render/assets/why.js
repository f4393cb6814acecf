// Why a character is predicted: how much each earlier word and character contributed, computed by a worker.

import { announce } from "./announcer.js";
import { showCharacter, showInText } from "./characters.js";
import { element, part, table } from "./dom.js";
import { legend } from "./legend.js";
import { percent } from "./numbers.js";
import { shade } from "./quantities.js";
import { softmax } from "./sampling.js";

const EXAMINED = 300; // characters before the prediction that are examined
const RIVALS = 12;
const WORDS_SHOWN = 12;
const LEAST_SHADED = 0.1; // bits of the darkest shade, so that small influences stay pale

/** The panel. `reading()` returns what the page shows; the worker has a copy of its network. */
export class Why {
  constructor(network, reading, description, palette) {
    Object.assign(this, { network, reading, description, palette, question: 0, worker: null, asked: null });
    part("rival").addEventListener("change", () => this.ask(this.asked.n, this.asked.target, this.rival()));
    part("why-close").onclick = () => {
      this.close();
      part("guesses").querySelector("button")?.focus();
    };
  }

  rival() {
    return part("rival").value === "" ? null : Number(part("rival").value);
  }

  /** Ask why a character is predicted after character n, or why rather than another one. */
  ask(n, target, rival = null) {
    const reading = this.reading();
    const first = Math.max(0, n + 1 - EXAMINED);
    this.asked = { n, target, rival, first, text: reading.text, bits: new Map(), words: [] };
    this.question++;
    this.start().postMessage({
      type: "ask",
      question: this.question,
      ids: reading.ids.slice(first, n + 1),
      target,
      rival,
      first,
      before: first
        ? { record: reading.record(first - 1).slice(), logits: reading.logits(first - 1)?.slice() ?? null }
        : null,
      opening: reading.opening,
      reach: EXAMINED,
      changes: reading.interventions,
    });
    part("why").hidden = false;
    this.draw(reading);
    part("why").scrollIntoView({ block: "nearest" }); // it has the height of most answers from the start
  }

  /** Return the worker; it is started when it is needed for the first time. */
  start() {
    if (this.worker) return this.worker;
    const source = `${part("engine").textContent}\nserveOcclusion(self);`;
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(address);
    URL.revokeObjectURL(address);
    this.worker.onmessage = ({ data }) => data.question === this.question && this.receive(data);
    this.worker.postMessage({ type: "model", description: this.description, weights: this.network.weights });
    return this.worker;
  }

  receive({ kind, word, places, position, bits }) {
    const { asked } = this;
    if (kind === "word") asked.words.push({ word, places, bits });
    else if (kind === "character") asked.bits.set(position, bits);
    else {
      asked.isDone = true;
      announce(() => this.sayResult());
    }
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      if (!part("why").hidden) this.drawAnswer();
    });
  }

  /** Close the panel when its answer is about another text. */
  outdated() {
    if (!part("why").hidden) this.close();
  }

  close() {
    this.question++;
    this.worker?.postMessage({ type: "stop" });
    part("why").hidden = true;
  }

  /** Draw the question. */
  draw(reading) {
    const { n, target, rival } = this.asked;
    const { vocabulary } = this.description;
    const sign = (id) => showCharacter(this.description, vocabulary[id]);
    const p = softmax(reading.logits(n));
    part("why-title").textContent = `why «${sign(target)}» (${percent(p[target])}) after character ${n}` +
      (rival === null ? "" : ` rather than «${sign(rival)}» (${percent(p[rival])})`);
    const others = vocabulary.map((_, id) => id).filter((id) => id !== target).sort((a, b) => p[b] - p[a] || a - b);
    part("rival").replaceChildren(
      new Option("anything else", ""),
      ...others.slice(0, RIVALS).map((id) => new Option(`${sign(id)} (${percent(p[id])})`, id)),
    );
    part("rival").value = rival ?? "";
    this.drawAnswer();
  }

  /** Return the answer in a sentence: the words that matter most. */
  sayResult() {
    const best = strongest(this.asked.words).slice(0, 3).map(({ word, bits }) => `${word} ${formatBits(bits)} bits`);
    return `${part("why-title").textContent}: ${best.join(", ") || "no words"}`;
  }

  /** Draw what is known so far of the answer. */
  drawAnswer() {
    const { n, first, text, bits, words, isDone } = this.asked;
    const most = Math.max(LEAST_SHADED, ...[...bits.values()].map(Math.abs));
    part("influences").replaceChildren(...Array.from({ length: n + 1 - first }, (_, k) => {
      const known = bits.get(first + k);
      const title = known === undefined ? "" : `${first + k}: ${formatBits(known)} bits`;
      const className = known === undefined ? "unread" : shade(known / most, this.palette.steps);
      return element("span", { textContent: showInText(this.description, text[first + k]), className, title });
    }));
    legend(part("why-legend"), this.palette, { low: -most, middle: 0, high: most, unitLabel: "bits" });
    const best = strongest(words).slice(0, WORDS_SHOWN);
    part("why-words").replaceChildren(
      ...(best.length ? [table(["word", "count", "bits"], best.map(wordRow), "words", [0])] : []),
    );
    const share = `${bits.size} of ${n + 1 - first} characters`;
    part("why-says").textContent = (isDone ? `Done: ${share}. ` : `Examined ${share} …  `) +
      "Each word is replaced by other words that the network finds probable there, and each character by other characters. " +
      "The bits say how much less probable the prediction becomes.";
  }
}

function strongest(words) {
  return [...words].sort((one, other) => Math.abs(other.bits) - Math.abs(one.bits));
}

function wordRow({ word, places, bits }) {
  return element(
    "tr",
    {},
    element("td", { className: "w", textContent: word }),
    element("td", { textContent: places.length }),
    element("td", { textContent: formatBits(bits) }),
  );
}

function formatBits(bits) {
  const written = Math.abs(bits).toFixed(2);
  return bits < 0 && Number(written) ? `−${written}` : written;
}
