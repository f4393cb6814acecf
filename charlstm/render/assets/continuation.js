// Continuations of a text that the page computes beside it: the most probable one, character by character.

import { activeAt } from "./interventions.js";
import { END } from "./characters.js";
import { logSoftmax } from "./sampling.js";

const LONGEST_CONTINUATION = 60;
const LAST_POINTS = [".", "\n"].map((character) => character.codePointAt(0)).concat(END);

/** Return the probabilities of logits: (V,) float64. */
export function softmaxOf(logits) {
  return logSoftmax(logits).map(Math.exp);
}

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
