// A reading: a text, and everything that the network does while it reads it. An edit keeps what lies before it.

import { countEqual, END } from "./characters.js";
import { activeAt, keepFrozen } from "./interventions.js";
import { logSoftmax } from "./sampling.js";

const MOST_NUMBERS = 40_000_000; // of records and predictions: 160 MB
const NATS_PER_BIT = Math.LN2;
const BLOCK_ROWS = 64;

/** Rows of numbers, as many as are needed. They lie in blocks, so that none is copied when there are more. */
class Rows {
  constructor(width) {
    Object.assign(this, { width, blocks: [] });
  }

  /** Return row n, (width,). */
  row(n) {
    const { width } = this;
    const block = this.blocks[Math.floor(n / BLOCK_ROWS)] ??= new Float32Array(BLOCK_ROWS * width);
    const start = (n % BLOCK_ROWS) * width;
    return block.subarray(start, start + width);
  }
}

/** The characters of a text and, as far as they are read, the record, the prediction and the surprisal of each. */
export class Reading {
  /**
   * @param network
   * @param opening id of what is read before a text: the end symbol or the label of a document; null in a stream
   * @param interventions made while it reads
   */
  constructor(network, opening, interventions = []) {
    const { vocabulary } = network.description;
    Object.assign(this, { network, interventions, text: new Int32Array(0), ids: new Int32Array(0), done: 0 });
    Object.assign(this, { begin: 0, broken: Infinity }); // the first known character; the first without a prediction
    this.idOf = new Map(vocabulary.map((point, id) => [point, id]));
    this.most = Math.floor(MOST_NUMBERS / (network.width + vocabulary.length));
    Object.assign(this, { opening, first: network.zeroRecord(), firstLogits: null });
    Object.assign(this, { records: new Rows(network.width), predictions: new Rows(vocabulary.length) });
    Object.assign(this, { surprisals: new Float64Array(0), shared: 0, other: null }); // rows of another reading
    if (opening === null) return;
    this.firstLogits = new Float32Array(network.description.vocabulary.length);
    network.step(network.zeroRecord(), opening, this.first, this.firstLogits, activeAt(this.interventions, -1));
  }

  get length() {
    return this.text.length;
  }

  get complete() {
    return this.done === this.length;
  }

  /** Return whether all predictions are finite numbers. */
  get finite() {
    return this.broken === Infinity && (this.firstLogits?.every(Number.isFinite) ?? true);
  }

  /** Return the number of characters that the network does not know. */
  get unknown() {
    return this.ids.reduce((count, id) => count + (id < 0), 0);
  }

  /** Return the record after character n, (width,); that before the first character for −1. */
  record(n) {
    if (n < 0) return this.first;
    return n < this.shared ? this.other.record(n) : this.records.row(n);
  }

  /** Return the prediction after character n, (V,); null before the first known character of a stream. */
  logits(n) {
    if (n < this.begin) return this.firstLogits;
    return n < this.shared ? this.other.logits(n) : this.predictions.row(n);
  }

  /** Return a value after character n: before the first one for −1. */
  value({ layer, name }, unit, n) {
    return this.record(n)[this.network.offset(layer, name) + unit];
  }

  /** Return the values of a quantity after character n, (H,). */
  values({ layer, name }, n) {
    const start = this.network.offset(layer, name);
    return this.record(n).subarray(start, start + this.network.description.hidden);
  }

  /** Return the mean of a quantity over the units of its layer after character n. */
  mean(quantity, n, of = (value) => value) {
    let sum = 0;
    for (const value of this.values(quantity, n)) sum += of(value);
    return sum / this.network.description.hidden;
  }

  /**
   * Replace the text, and return the number of characters at its beginning that stay read.
   *
   * @param text Int32Array of code points; what is beyond the limit of the memory is left out
   */
  edit(text) {
    const kept = Math.min(text.length, this.most);
    const same = countEqual(text, this.text, kept);
    this.text = text.slice(0, kept);
    const ids = new Int32Array(kept);
    ids.set(this.ids.subarray(0, same));
    for (let n = same; n < kept; n++) ids[n] = this.idOf.get(this.text[n]) ?? -1;
    this.ids = ids;
    this.begin = ids.findIndex((id) => id >= 0);
    if (this.begin < 0) this.begin = kept;
    this.done = Math.min(this.done, same);
    if (this.surprisals.length < kept) {
      const { surprisals } = this;
      this.surprisals = new Float64Array(2 * kept);
      this.surprisals.set(surprisals);
    }
    if (this.broken >= this.done) this.broken = Infinity;
    return this.done;
  }

  /** Begin where another reading of the same text is, at a character at most. Both must have the same edits from then on. */
  follow(other, count) {
    this.edit(other.text);
    this.done = Math.min(count, other.done);
    Object.assign(this, { other, shared: this.done });
    this.surprisals.set(other.surprisals.subarray(0, this.done));
    if (other.broken < this.done) this.broken = other.broken;
  }

  /** Read on until the text is read or a time, in ms of `performance.now()`, has come; one character at least. */
  advance(deadline) {
    while (!this.complete) {
      this.readNext();
      if (performance.now() >= deadline) return;
    }
  }

  readNext() {
    const { network, done: n } = this;
    const [id, record, logits] = [this.ids[n], this.record(n), this.logits(n)];
    this.surprisals[n] = this.surprisalOf(n);
    if (id < 0) { // an unknown character is not read
      record.set(this.record(n - 1));
      if (n > this.begin) logits.set(this.logits(n - 1));
    } else {
      const read = this.text[n] === END ? this.opening : id;
      network.step(this.before(n), read, record, logits, activeAt(this.interventions, n));
    }
    if (this.broken === Infinity && n >= this.begin && !logits.every(Number.isFinite)) this.broken = n;
    this.done++;
  }

  /** Return the record in which character n is read; interventions may set memories in it. */
  before(n) {
    if (n < 0) return this.network.zeroRecord();
    return this.text[n] === END ? this.startOfDocument(n) : this.record(n - 1);
  }

  /** Return the state in which the end symbol is read: zero, except for the memories of units that are frozen. */
  startOfDocument(n) {
    const state = this.network.zeroRecord();
    keepFrozen(this.network, this.record(n - 1), state, activeAt(this.interventions, n - 1));
    return state;
  }

  /** Return −log₂ p of character n, in bits; NaN if the network does not know it or nothing predicts it. */
  surprisalOf(n) {
    const logits = this.logits(n - 1);
    return this.ids[n] < 0 || !logits ? NaN : -logSoftmax(logits)[this.ids[n]] / NATS_PER_BIT;
  }
}
