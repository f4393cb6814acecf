// Occlusion: which earlier characters and words led to a prediction, as `charlstm inspect --view why` measures it.
//
//     score(text)      log p(target | text), or log p(target | text) − log p(rival | text)
//     of a character   score(text) − Σ w_k · score(text with alternative k in its place)
//     of a word        score(text) − mean of score(text with alternative k in all its places)
//
// The alternatives of a character are the three most probable other characters there; w_k are their probabilities,
// divided by their sum. The alternatives of a word are up to three words that the network finds probable in its first
// place. Each starts with another letter and continues with the most probable characters. An end symbol resets the
// state, so what stands before the last one has no influence; only a frozen memory passes it.

import { keepFrozen } from "./interventions.js";
import { logSoftmax, rankIds } from "./sampling.js";

const ALTERNATIVES = 3;
const LONGEST_WORD = 24; // characters of an alternative
const CHARACTERS_EXAMINED = 300;
const IN_WORD = /^[\p{L}\p{N}_]$/u; // what `\w` matches in Python

/**
 * Yield the influence of each word and then of each character on a prediction, the nearest first:
 *
 *     { kind: "word", word, places: [[start, stop], …], bits }
 *     { kind: "character", position, bits }
 *     null      after each character that the network reads: nothing new, but the caller may pause here
 *
 * Words and characters before the last `reach` characters are left out. The network does not read unknown characters:
 * they have no influence, and a word goes on after one.
 *
 * @param network a `Network`
 * @param ids (N,) ids of the text, −1 for unknown characters; the prediction is that of the character after it
 * @param options
 *   target: id of the predicted character;
 *   rival: id of another one, for the influence on log p(target) − log p(rival); null: on log p(target);
 *   reach: number of characters, at the end of the text, whose influence is measured;
 *   first: position of the first character of `ids` in the whole text;
 *   before: { record, logits }, the record and the prediction before the first character, of which `logits` is null at
 *     the start of a stream; null: the text starts there, and what opens it is read;
 *   opening: id that is read in the place of an end symbol: that of a label, by default that of the end symbol itself;
 *   changesAt: position → the interventions that are active at that character, also those that set a memory there
 */
export function* occlusion(network, ids, options) {
  const text = yield* readExamined(network, ids, options);
  yield* occludeWords(text);
  yield* occludeCharacters(text);
}

/** The state of a network within a text, and how it reads on. */
class TextReader {
  constructor(network, opening, changesAt) {
    Object.assign(this, { network, opening, changesAt, record: network.zeroRecord(), spare: network.zeroRecord() });
    this.logits = Float32Array.from(network.weights["output/b"]); // the prediction of the zero state
  }

  /** Read what opens a text: the end symbol or a label. */
  open(position) {
    this.step(this.network.zeroRecord(), this.opening, this.changesAt(position));
  }

  /** Read the character at a position of the whole text. */
  read(id, position, changes = this.changesAt(position)) {
    if (id === this.network.description.end) this.step(this.startOfDocument(position), this.opening, changes);
    else this.step(this.record, id, changes);
  }

  step(before, id, changes) {
    this.network.step(before, id, this.spare, this.logits, changes);
    [this.record, this.spare] = [this.spare, this.record];
  }

  /** Return the state in which an end symbol is read: zero, but for the memories that are frozen until then. */
  startOfDocument(position) {
    const state = this.network.zeroRecord();
    keepFrozen(this.network, this.record, state, this.changesAt(position - 1));
    return state;
  }

  /** Return a copy of the place in the text. */
  get place() {
    return { record: this.record.slice(), logits: this.logits.slice() };
  }

  /** Return to a place in the text. */
  set place({ record, logits }) {
    this.record.set(record);
    if (logits) this.logits.set(logits);
  }
}

/**
 * Read a text, and return what is examined of it. Its M known characters have:
 *   ids and positions (M,), places: M, each before a character, stretch: number of the first one that matters,
 *   and the score of the unchanged text; unknown has the positions of the others.
 */
function* readExamined(network, ids, {
  target,
  rival = null,
  reach = CHARACTERS_EXAMINED,
  first = 0,
  before = null,
  opening = network.description.end,
  changesAt = () => [],
}) {
  const reader = new TextReader(network, opening, changesAt);
  if (before) reader.place = before;
  else if (opening !== null) reader.open(first - 1);
  const text = { reader, network, ids: [], positions: [], places: [], unknown: [] };
  for (let k = 0; k < ids.length; k++) {
    const [id, position, examined] = [ids[k], first + k, k >= ids.length - reach];
    if (examined && id < 0) text.unknown.push(position);
    if (id < 0) continue;
    if (examined) {
      text.ids.push(id);
      text.positions.push(position);
      text.places.push(reader.place);
    }
    reader.read(id, position);
    yield null;
  }
  text.score = rival === null ? (logits) => logSoftmax(logits)[target] : (logits) => logits[target] - logits[rival];
  text.whole = text.score(reader.logits);
  text.stretch = findStretch(text);
  return text;
}

/** Return the number of the last end symbol that no frozen memory passes; 0 without one. */
function findStretch({ reader, network, ids, positions }) {
  const isFrozen = (position) => reader.changesAt(position).some(({ kind }) => kind === "freeze");
  for (let k = ids.length - 1; k > 0; k--) {
    if (ids[k] === network.description.end && !isFrozen(positions[k] - 1)) return k;
  }
  return 0;
}

/** Yield the influence of each word; nothing for a word that has no alternative. */
function* occludeWords(text) {
  const { vocabulary } = text.network.description;
  const inWords = vocabulary.map((point) => IN_WORD.test(String.fromCodePoint(point)));
  for (const { ids, spans } of findWords(text.ids, inWords)) {
    if (!inWords.some((is, id) => is && id !== ids[0])) continue;
    const nats = yield* occludeWord(text, spans, inWords);
    yield {
      kind: "word",
      word: String.fromCodePoint(...ids.map((id) => vocabulary[id])),
      places: spans.map(([start, stop]) => [text.positions[start], text.positions[stop - 1] + 1]),
      bits: nats / Math.LN2,
    };
  }
}

/** Return the influence of a word that stands in some places, in nats. */
function* occludeWord(text, spans, inWords) {
  const relevant = spans.filter(([start]) => start >= text.stretch);
  if (!relevant.length) return 0;
  const alternatives = yield* findAlternatives(text, spans[0][0], inWords);
  let sum = 0;
  for (const other of alternatives) sum += text.whole - (yield* scoreWithWord(text, relevant, other));
  return sum / alternatives.length;
}

/** Return the words of a text, the one whose last place is nearest to the end first: [{ ids, spans }, …]. */
function findWords(ids, inWords) {
  const words = new Map();
  for (let start = 0; start < ids.length; start++) {
    let stop = start;
    while (stop < ids.length && inWords[ids[stop]]) stop++;
    if (stop === start) continue;
    const word = ids.slice(start, stop);
    const spans = words.get(word.join())?.spans ?? [];
    words.delete(word.join()); // the order of a map is that of insertion
    words.set(word.join(), { ids: word, spans: [...spans, [start, stop]] });
    start = stop;
  }
  return [...words.values()].reverse();
}

/** Return up to three probable words in the place of one, each with another first letter: arrays of ids. */
function* findAlternatives({ reader, ids, positions, places }, start, inWords) {
  const letters = rankIds(places[start].logits).filter((id) => inWords[id] && id !== ids[start]);
  const changes = changesInWord(reader.changesAt, [positions[start]], LONGEST_WORD);
  const words = [];
  for (const letter of letters.subarray(0, ALTERNATIVES)) {
    reader.place = places[start];
    const word = [];
    for (let id = letter; inWords[id] && word.length < LONGEST_WORD; id = mostProbableId(reader.logits)) {
      reader.read(id, positions[start], changes[word.length]);
      word.push(id);
      yield null;
    }
    words.push(word);
  }
  return words;
}

/** Return the most probable id, the lowest of equal ones. */
function mostProbableId(logits) {
  return logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
}

/** Return the score of a text in which another word stands in some places: [[start, stop], …], in ascending order. */
function* scoreWithWord({ reader, ids, positions, places, score }, spans, other) {
  let next = spans[0][0];
  reader.place = places[next];
  for (const [start, stop] of [...spans, [ids.length, ids.length]]) {
    for (; next < start; next++) {
      reader.read(ids[next], positions[next]);
      yield null;
    }
    const changes = changesInWord(reader.changesAt, positions.slice(start, stop), other.length);
    for (let k = 0; k < changes.length; k++) {
      reader.read(other[k], positions[start], changes[k]);
      yield null;
    }
    next = stop;
  }
  return score(reader.logits);
}

/**
 * Return the interventions that are active at each character of a word that stands at positions of another one.
 *
 * A memory is set once, whatever the lengths: a longer word stays at the last position, and the last character of a
 * shorter word has the sets of all positions that are left.
 */
function changesInWord(changesAt, positions, length) {
  if (!positions.length) return [];
  const isSet = ({ kind }) => kind === "set";
  const last = positions.length - 1;
  return Array.from({ length }, (_, k) => {
    if (k > last) return changesAt(positions[last]).filter((change) => !isSet(change));
    const skipped = k === length - 1 ? positions.slice(k, last) : [];
    return [...skipped.flatMap((n) => changesAt(n).filter(isSet)), ...changesAt(positions[skipped.length ? last : k])];
  });
}

/** Yield the influence of each character. */
function* occludeCharacters(text) {
  const numbers = new Map(text.positions.map((position, k) => [position, k]));
  const positions = [...text.positions, ...text.unknown].sort((a, b) => b - a);
  for (const position of positions) {
    const k = numbers.get(position) ?? -1; // −1: unknown
    const nats = k >= text.stretch ? yield* occludeCharacter(text, k) : 0;
    yield { kind: "character", position, bits: nats / Math.LN2 };
  }
}

/** Return the influence of a character, in nats. */
function* occludeCharacter(text, place) {
  let influence = 0;
  for (const { id, weight } of alternativesOf(text.places[place].logits, text.ids[place])) {
    influence += weight * (text.whole - (yield* scoreWithCharacter(text, place, id)));
  }
  return influence;
}

/** Return the most probable ids but one, with their weights, of sum 1. */
function alternativesOf(logits, id) {
  const chances = logSoftmax(logits).map(Math.exp);
  chances[id] = 0;
  const others = Array.from(rankIds(chances).subarray(0, ALTERNATIVES)).filter((other) => chances[other] > 0);
  const total = others.reduce((sum, other) => sum + chances[other], 0);
  return others.map((other) => ({ id: other, weight: chances[other] / total }));
}

/** Return the score of a text in which another character stands in a place. */
function* scoreWithCharacter({ reader, ids, positions, places, score }, place, other) {
  reader.place = places[place];
  for (let k = place; k < ids.length; k++) {
    reader.read(k === place ? other : ids[k], positions[k]);
    yield null;
  }
  return score(reader.logits);
}
