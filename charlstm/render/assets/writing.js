// The model writes: it continues the text in the page, one character after another.

import { enable, part } from "./dom.js";
import { countOf, nextTask } from "./numbers.js";
import { sampleStream } from "./random.js";
import { END } from "./characters.js";
import { choose, probabilities } from "./sampling.js";

const WRITING_SLICE = 8; // ms
const NEWLINE = 10;

/**
 * Writes into the text of the page.
 *
 * `page` has `reading()`, what the next character is sampled from; `whenRead()`, a promise that it is complete;
 * `append(point)`, `text()`, `replace(text)` and `isFull()`.
 */
export class Writer {
  constructor(page) {
    Object.assign(this, { page, stream: null, before: null, written: 0, isWriting: false });
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
    for (const id of ["temperature", "top-k", "top-p", "seed"]) if (!part(id).reportValidity()) return null;
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
    this.isWriting = true;
    this.draw("Writing …");
    while (this.isWriting) {
      const speed = Number(part("speed").value);
      const until = performance.now() + WRITING_SLICE;
      do {
        if (!await this.write()) return;
      } while (this.isWriting && !speed && performance.now() < until);
      await (speed ? new Promise((resolve) => setTimeout(resolve, 1000 / speed)) : nextTask());
    }
  }

  pause() {
    this.isWriting = false;
    this.draw(`Paused after ${countOf(this.written, "character")}.`);
  }

  async step() {
    if (this.isWriting || !this.rules()) return;
    this.begin();
    if (await this.write()) this.draw(countOf(this.written, "character"));
  }

  /** Sample one character and append it. Return whether the sample goes on. */
  async write() {
    const { page } = this;
    await page.whenRead();
    const rules = this.rules();
    const reading = page.reading();
    const { vocabulary } = reading.network.description;
    if (!rules) return this.stop("Stopped");
    if (page.isFull()) return this.stop("The text is as long as the page can hold; stopped");
    const logits = reading.logits(reading.length - 1);
    if (!logits) { // an empty stream: begin a line
      page.append(NEWLINE);
      return true;
    }
    if (!logits.every(Number.isFinite)) return this.stop("The network predicts no probabilities; stopped");
    const point = vocabulary[choose(probabilities(logits, rules), this.stream())];
    page.append(point);
    this.written++;
    this.draw();
    return point === END ? this.stop("The document ends") : true;
  }

  /** End the sample; the next one begins with the random seed again. */
  stop(reason) {
    Object.assign(this, { isWriting: false, stream: null });
    this.draw(`${reason} after ${countOf(this.written, "character")}.`);
    return false;
  }

  /** Take back what was written. */
  remove() {
    Object.assign(this, { isWriting: false, stream: null });
    this.page.replace(this.before);
    this.before = null;
    this.draw("Removed.");
  }

  draw(status) {
    part("write").textContent = this.isWriting ? "pause" : this.stream ? "go on" : "write";
    enable(part("write-stop"), this.stream !== null, part("write"));
    enable(part("write-remove"), this.before !== null, part("write"));
    if (status) part("writing-says").textContent = status;
  }
}
