// A reading: a text, and everything that the network does while it reads it. An edit keeps what lies before it.

import { countEqual, END } from "./characters.js";
import { activeAt, keepFrozen } from "./interventions.js";
import { logSoftmax } from "./sampling.js";

const MOST_NUMBERS = 40_000_000; // of records: 160 MB
const NATS_PER_BIT = Math.LN2;

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
    this.idOf = new Map(vocabulary.map((point, id) => [point, id]));
    this.most = Math.floor(MOST_NUMBERS / network.width);
    this.finite = true;
    Object.assign(this, { opening, first: network.zeroRecord(), firstLogits: null });
    this.reserve(64);
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

  /** Return the number of characters that the network does not know. */
  get unknown() {
    return this.ids.reduce((count, id) => count + (id < 0), 0);
  }

  /** Return the record after character n, (width,); that before the first character for −1. */
  record(n) {
    const { width } = this.network;
    return n < 0 ? this.first : this.records.subarray(n * width, (n + 1) * width);
  }

  /** Return the prediction after character n, (V,); null before the first character of a stream. */
  logits(n) {
    const V = this.network.description.vocabulary.length;
    return n < 0 ? this.firstLogits : this.predictions.subarray(n * V, (n + 1) * V);
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
    this.reserve(kept);
    this.text = text.slice(0, kept);
    this.ids = this.text.map((point) => this.idOf.get(point) ?? -1);
    this.done = Math.min(this.done, same);
    return this.done;
  }

  /** Take over what another reading of the same text has read, up to a character. */
  copy(other, count) {
    const { width, description } = this.network;
    const V = description.vocabulary.length;
    this.edit(other.text);
    this.done = Math.min(count, other.done);
    this.records.set(other.records.subarray(0, this.done * width));
    this.predictions.set(other.predictions.subarray(0, this.done * V));
    this.surprisals.set(other.surprisals.subarray(0, this.done));
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
      if (n > 0 || this.firstLogits) logits.set(this.logits(n - 1));
      else logits.set(network.weights["output/b"]);
    } else {
      const read = this.text[n] === END ? this.opening : id;
      network.step(this.before(n), read, record, logits, activeAt(this.interventions, n));
    }
    this.finite &&= logits.every(Number.isFinite);
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

  /** Make room for a number of characters; what is read stays. */
  reserve(count) {
    const V = this.network.description.vocabulary.length;
    if (this.surprisals?.length >= count) return;
    const room = Math.min(this.most, Math.max(count, 2 * (this.surprisals?.length ?? 0)));
    for (
      const [name, Type, width] of [
        ["records", Float32Array, this.network.width],
        ["predictions", Float32Array, V],
        ["surprisals", Float64Array, 1],
      ]
    ) {
      const larger = new Type(room * width);
      if (this[name]) larger.set(this[name].subarray(0, this.done * width));
      this[name] = larger;
    }
  }
}
