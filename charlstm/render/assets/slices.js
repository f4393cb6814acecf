// Work in slices: between them the page answers the user.

import { nextTask } from "./numbers.js";

const SLICE_LENGTH = 8; // ms

/**
 * Call `work(n)` for n from 0 to count − 1, and let the browser do something else every few ms.
 *
 * @param count
 * @param work a function that takes much less than a slice
 * @param isWanted asked at the beginning and after every pause; if it returns false, the rest is left out
 * @returns whether all is done
 */
export async function inSlices(count, work, isWanted) {
  if (!isWanted()) return false;
  let deadline = performance.now() + SLICE_LENGTH;
  for (let n = 0; n < count; n++) {
    work(n);
    if (performance.now() < deadline) continue;
    await nextTask();
    if (!isWanted()) return false;
    deadline = performance.now() + SLICE_LENGTH;
  }
  return true;
}
