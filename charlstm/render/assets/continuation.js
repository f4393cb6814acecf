// The most probable continuation of a text, which the page computes and shows beside it.

import { END, excerpt } from "./characters.js";
import { element } from "./dom.js";
import { activeAt } from "./interventions.js";
import { nextTask } from "./numbers.js";

const LONGEST_CONTINUATION = 60;
const SHOWN_BEFORE = 16; // characters of the text before a continuation
const WRITING_AT_ONCE = 4; // ms
const LAST_POINTS = [".", "\n"].map((character) => character.codePointAt(0)).concat(END);

/** Yield the most probable text after character n, code point by code point: to the end of a line, sentence or document. */
export function* continueGreedily(reading, n) {
  const { network, interventions } = reading;
  const { vocabulary } = network.description;
  let [before, logits] = [reading.record(n), reading.logits(n)];
  for (let k = 1; logits && k <= LONGEST_CONTINUATION; k++) {
    let best = 0;
    for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
    yield vocabulary[best];
    if (LAST_POINTS.includes(vocabulary[best])) return;
    const [record, after] = [network.zeroRecord(), new Float32Array(logits.length)];
    network.step(before, best, record, after, activeAt(interventions, n + k));
    [before, logits] = [record, after];
  }
}

/** The list of continuations: without interventions and with them. It is written in slices; a newer one ends an older. */
export class Continuations {
  constructor(list, description) {
    Object.assign(this, { list, description, latest: 0 });
  }

  cancel() {
    this.latest++;
  }

  /** Show how a text goes on after character n. `changed` is the reading with interventions, or null. */
  async show(n, plain, changed) {
    const mine = ++this.latest;
    const rows = changed ? [["unchanged", plain], ["changed", changed]] : [["network", plain]];
    const texts = rows.map(() => []);
    await nextTask(); // the user, or the model that writes, may move on at once
    let until = performance.now() + WRITING_AT_ONCE;
    for (const [k, [, reading]] of rows.entries()) {
      if (this.latest !== mine) return;
      for (const point of continueGreedily(reading, n)) {
        texts[k].push(point);
        if (performance.now() < until) continue;
        await nextTask();
        if (this.latest !== mine) return;
        until = performance.now() + WRITING_AT_ONCE;
      }
    }
    const before = excerpt(this.description, plain.text, n + 1 - SHOWN_BEFORE, n + 1);
    this.list.replaceChildren(...rows.flatMap(([name], k) => {
      const written = excerpt(this.description, Int32Array.from(texts[k]), 0, texts[k].length);
      const mark = element("mark", { textContent: written });
      return [element("dt", { textContent: name }), element("dd", {}, before ? `…${before}` : "", mark)];
    }));
  }
}
