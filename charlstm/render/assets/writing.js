// The model writes: it continues the text in the page, one character after another.

import { enable, part } from "./dom.js";
import { countOf, nextTask } from "./numbers.js";
import { sampleStream } from "./random.js";
import { END, NEWLINE } from "./characters.js";
import { choose, probabilities } from "./sampling.js";

const WRITING_SLICE = 8; // ms

/**
 * Writes into the text of the page.
 *
 * `page` has `reading()`, what the next character is sampled from; `whenRead()`, a promise that it is complete;
 * `append(point)`, `text()`, `replace(text)`, `isFull()` and `knows(point)`.
 */
export class Writer {
  constructor(page) {
    Object.assign(this, { page, stream: null, before: null, written: 0, isWriting: false });
    this.turn = null; // of the user's last click: what an earlier one began ends
    part("seed").max = Number.MAX_SAFE_INTEGER;
    part("write").onclick = () => (this.isWriting ? this.pause() : this.start());
    part("write-step").onclick = () => this.step();
    part("write-stop").onclick = () => this.stop("Stopped");
    part("write-remove").onclick = () => this.remove();
    part("writing").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    this.draw();
  }

  /** Return the sampling rules of the form; null if one of them is not possible. */
  rules() {
    const read = (id) => part(id).valueAsNumber;
    for (const id of ["temperature", "top-k", "top-p", "seed"]) {
      if (part(id).checkValidity()) continue;
      part(id).closest("details").open = true; // the browser says nothing about what it does not show
      part(id).reportValidity();
      return null;
    }
    const [temperature, topK, topP] = [read("temperature"), read("top-k"), read("top-p")];
    return {
      temperature: Number.isNaN(temperature) ? 0.8 : temperature,
      topK: Number.isNaN(topK) ? null : topK,
      topP: Number.isNaN(topP) ? 1 : topP,
      minP: 0,
    };
  }

  /** Begin a sample with the random seed of the form, unless one is begun and only paused. */
  begin() {
    if (this.stream) return;
    const seed = part("seed").valueAsNumber;
    Object.assign(this, { stream: sampleStream(Number.isNaN(seed) ? 0 : seed), before: this.page.text(), written: 0 });
  }

  async start() {
    if (this.isWriting || !this.rules()) return;
    this.begin();
    const turn = this.take(true);
    this.draw("Writing …");
    while (turn === this.turn) {
      const speed = Number(part("speed").value);
      const until = performance.now() + WRITING_SLICE;
      do {
        if (!await this.write(turn)) return;
      } while (!speed && performance.now() < until);
      await (speed ? new Promise((resolve) => setTimeout(resolve, 1000 / speed)) : nextTask());
    }
  }

  /** Begin what a click asks for, and end what an earlier one did. */
  take(isWriting) {
    return Object.assign(this, { isWriting, turn: {} }).turn;
  }

  pause() {
    this.take(false);
    this.draw(`Paused after ${countOf(this.written, "character")}.`);
  }

  async step() {
    if (this.isWriting || !this.rules()) return;
    this.begin();
    if (await this.write(this.take(false))) this.draw(countOf(this.written, "character"));
  }

  /** Sample one character and append it. Return whether the sample goes on. */
  async write(turn) {
    const { page } = this;
    await page.whenRead();
    if (turn !== this.turn) return false;
    const rules = this.rules();
    const reading = page.reading();
    const { vocabulary } = reading.network.description;
    if (!rules) return this.stop("Stopped");
    if (page.isFull()) return this.stop("The text is as long as the page can hold; stopped");
    let logits = reading.logits(reading.length - 1);
    if (!logits && page.knows(NEWLINE)) { // an empty stream: begin a line
      page.append(NEWLINE);
      return true;
    }
    logits ??= reading.network.weights["output/b"]; // the prediction of the zero state
    if (!logits.every(Number.isFinite)) return this.stop("The network predicts no probabilities; stopped");
    const point = vocabulary[choose(probabilities(logits, rules), this.stream())];
    page.append(point);
    this.written++;
    this.draw();
    return point === END ? this.stop("The document ends") : true;
  }

  /** End the sample; the next one begins with the random seed again. */
  stop(reason) {
    this.take(false);
    this.stream = null;
    this.draw(`${reason} after ${countOf(this.written, "character")}.`);
    return false;
  }

  /** Take back what was written. */
  remove() {
    this.page.replace(this.before);
    this.draw("Removed.");
  }

  /** End the sample without a word: the text is another one now, from which nothing can be removed. */
  end() {
    this.take(false);
    Object.assign(this, { stream: null, before: null });
    this.draw();
  }

  draw(status) {
    part("write").textContent = this.isWriting ? "pause" : this.stream ? "go on" : "write";
    enable(part("write-stop"), this.stream !== null, part("write"));
    enable(part("write-remove"), this.before !== null, part("write"));
    if (status) part("writing-says").textContent = status;
  }
}
