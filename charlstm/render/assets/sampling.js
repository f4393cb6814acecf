// From the prediction to the next character: the filters of `charlstm sample`, in the same order.
//
//     topK          keep the k most probable characters                                          Fan et al. 2018
//     temperature   p ← p^(1/temperature); 0: keep only the most probable character
//     topP          keep the most probable characters, until their sum is at least topP          Holtzman et al. 2020
//     minP          keep the characters with p ≥ minP · max p                                    Nguyen et al. 2024
//
// Logits are (V,) arrays of unnormalised log-probabilities in nats; −∞ marks a character that is never sampled. Among
// equal logits, lower ids rank first. Each filter works on the renormalised result of the filter before it. All numbers
// are float64, as in Python.

/**
 * Return the probability of sampling each character: (V,) Float64Array of sum 1.
 *
 * @param logits (V,) prediction of the network
 * @param rules { temperature: 0 or more, topK: 1 or more, or null for all, topP: above 0, up to 1, minP: 0 to 1 }
 */
export function probabilities(logits, { temperature, topK, topP, minP }) {
  let kept = Float64Array.from(logits);
  if (temperature === 0) kept = keepTopK(kept, 1);
  else if (topK !== null) kept = keepTopK(kept, topK); // the temperature can make different logits equal
  kept = divideByTemperature(kept, temperature || 1);
  if (topP < 1) kept = keepTopP(kept, topP);
  if (minP > 0) kept = keepMinP(kept, minP);
  return softmax(kept);
}

/**
 * Return the id of the character at which the cumulative probability exceeds uniform · total.
 *
 * @param probabilities (V,) result of `probabilities`
 * @param uniform a random number in [0, 1)
 */
export function choose(probabilities, uniform) {
  const threshold = uniform * probabilities.reduce((sum, p) => sum + p, 0);
  if (Number.isNaN(threshold)) throw new RangeError("the model predicts no probabilities (NaN)");
  let [id, cumulative] = [0, probabilities[0]];
  while (cumulative <= threshold) cumulative += probabilities[++id];
  return id;
}

/** Return logits − log Σ exp(logits), in nats: (V,) Float64Array, never above zero. */
export function logSoftmax(logits) {
  const highest = largest(logits);
  const shifted = Float64Array.from(logits, (logit) => logit - highest);
  const logSum = Math.log(shifted.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return shifted.map((logit) => logit - logSum);
}

/** Return the ids from the highest logit to the lowest, of equal ones the lower id first: (V,) Uint32Array. */
export function rankIds(logits) {
  return Uint32Array.from(logits, (_, id) => id).sort((a, b) => logits[b] - logits[a] || a - b);
}

/** Return exp(logits) / Σ exp(logits): (V,) Float64Array. */
export function softmax(logits) {
  const highest = largest(logits);
  const powers = Float64Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Return the largest of some numbers; NaN if one is NaN. */
function largest(numbers) {
  return numbers.reduce((a, b) => Math.max(a, b), -Infinity);
}

/** Keep the k most probable characters. */
function keepTopK(logits, k) {
  const kept = new Float64Array(logits.length).fill(-Infinity);
  for (const id of rankIds(logits).subarray(0, k)) kept[id] = logits[id];
  return kept;
}

/** Shift the logits so that the largest is 0, and divide them by a temperature above 0: 0 stays 0, so none is NaN. */
function divideByTemperature(logits, temperature) {
  const highest = largest(logits);
  return logits.map((logit) => (logit - highest) / temperature);
}

/** Keep the nucleus: each character whose more probable characters sum to less than p. */
function keepTopP(logits, p) {
  const all = softmax(logits);
  const kept = new Float64Array(logits.length).fill(-Infinity);
  let before = 0; // probability of all more probable characters
  for (const id of rankIds(logits)) {
    if (before >= p) break;
    kept[id] = logits[id];
    before += all[id];
  }
  return kept;
}

/** Keep the characters whose probability is at least p times the highest: logit − max logit ≥ ln p. */
function keepMinP(logits, p) {
  const highest = largest(logits);
  return logits.map((logit) => logit - highest >= Math.log(p) ? logit : -Infinity);
}
