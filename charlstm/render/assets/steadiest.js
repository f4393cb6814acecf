// Which units to look at first: those whose memory takes distinct values and keeps each for long.

import { countEqual } from "./characters.js";
import { quantitiesOf } from "./quantities.js";
import { inSlices } from "./slices.js";

const FIRST_UNITS = 3;

/**
 * Find the steadiest units of all layers, as `find_steadiest` in inspection/quantities.py does. The score of a unit is
 * the standard deviation of its memory, bounded to −1 … 1, minus the mean absolute change from one character to the next.
 * Only what is read counts. The work is done in slices.
 *
 * @param reading
 * @param description the model
 * @returns three pairs [layer, unit], the steadiest first; null if what is read changes meanwhile or nothing is read
 */
export async function findSteadiest(reading, description) {
  const { text, done } = reading;
  if (!done) return null;
  const scores = Array.from({ length: description.layers }, (_, layer) => new MemoryScores(description, layer));
  const isRead = await inSlices(
    done * scores.length,
    (k) => scores[k % scores.length].add(reading, Math.floor(k / scores.length)),
    () => reading.done >= done && countEqual(reading.text, text, done) === done,
  );
  if (!isRead) return null;
  const ranked = scores.flatMap((score, layer) =>
    Array.from(score.finish(done), (value, unit) => [value, layer, unit])
  );
  ranked.sort(([one], [other]) => other - one);
  return ranked.slice(0, FIRST_UNITS).map(([, layer, unit]) => [layer, unit]);
}

/** Sums over the characters of a text, from which the scores of the H units of a layer follow. */
class MemoryScores {
  constructor(description, layer) {
    this.memory = quantitiesOf(description, layer)[0];
    for (const name of ["last", "sum", "squares", "changes"]) this[name] = new Float64Array(description.hidden);
  }

  add(reading, n) {
    const { memory, last, sum, squares, changes } = this;
    const values = reading.values(memory, n);
    for (let unit = 0; unit < values.length; unit++) {
      const value = memory.shown(values[unit]);
      sum[unit] += value;
      squares[unit] += value * value;
      if (n > 0) changes[unit] += Math.abs(value - last[unit]);
      last[unit] = value;
    }
  }

  /** Return the scores, (H,); −∞ for a unit whose values are not finite. */
  finish(count) {
    return this.sum.map((sum, unit) => {
      const variance = this.squares[unit] / count - (sum / count) ** 2;
      const score = Math.sqrt(Math.max(0, variance)) - this.changes[unit] / count;
      return Number.isFinite(score) ? score : -Infinity;
    });
  }
}
