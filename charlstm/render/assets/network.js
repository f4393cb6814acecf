// The network: stacked recurrent layers and an output layer. It reads one character after another.
//
//     z      = x·U + b + h'·W      each layer; the x of the first layer is a one-hot character, so x·U is a row of U
//     h      = cell(z)             the x of a layer above is the h of the layer below
//     logits = h·W_out + b_out     output layer
//
// A prime marks the value after the previous character. The weights have the names and the order of the model file. All
// results of one character are a record: for each layer every quantity of the cell, H numbers each. The states are among
// them, so a record is also the state in which the next character is read.

import { forcedGates, hiddenUnits, setMemories } from "./interventions.js";

/**
 * The equations of one step, by the name of the cell. `x_U` is x·U + b and `h_W` is h'·W, (G·H,) each; `before` and
 * `after` have the quantities of the layer by name, (H,) each. `force()` replaces the logistic gates that an
 * intervention holds at a value, so it is called as soon as they are computed.
 */
const CELLS = {
  // f, i, o = σ(z)     c~ = tanh(z)     c = f·c' + i·c~     h = o·tanh(c)
  lstm({ f, i, o, c_tilde, c, h }, before, x_U, h_W, force) {
    const H = h.length;
    for (let k = 0; k < H; k++) {
      f[k] = sigmoid(x_U[k] + h_W[k]);
      i[k] = sigmoid(x_U[H + k] + h_W[H + k]);
      o[k] = sigmoid(x_U[2 * H + k] + h_W[2 * H + k]);
      c_tilde[k] = Math.tanh(x_U[3 * H + k] + h_W[3 * H + k]);
    }
    force();
    for (let k = 0; k < H; k++) {
      c[k] = f[k] * before.c[k] + i[k] * c_tilde[k];
      h[k] = o[k] * Math.tanh(c[k]);
    }
  },

  // r, u = σ(z)     h~ = tanh(z_h + r·(h'·W_h))     h = u·h' + (1 − u)·h~
  gru({ r, u, h_tilde, h }, before, x_U, h_W, force) {
    const H = h.length;
    for (let k = 0; k < H; k++) {
      r[k] = sigmoid(x_U[k] + h_W[k]);
      u[k] = sigmoid(x_U[H + k] + h_W[H + k]);
    }
    force();
    for (let k = 0; k < H; k++) {
      h_tilde[k] = Math.tanh(x_U[2 * H + k] + r[k] * h_W[2 * H + k]);
      h[k] = u[k] * before.h[k] + (1 - u[k]) * h_tilde[k];
    }
  },

  // h = φ(z)     φ = tanh or relu
  rnn({ h }, _before, x_U, h_W, _force, activation) {
    const phi = activation === "relu" ? (z) => Math.max(0, z) : Math.tanh;
    for (let k = 0; k < h.length; k++) h[k] = phi(x_U[k] + h_W[k]);
  },
};

function sigmoid(z) {
  return 1 / (1 + Math.exp(-z));
}

/** A network. It does not change; the states are records that the caller keeps. */
export class Network {
  /**
   * @param description the hyperparameters and the names of the cell: see `charlstm/render/page_data.py`
   * @param weights name → Float32Array, row by row: layer0/U (D, G·H), layer0/W (H, G·H), layer0/b (G·H,), …,
   *   output/W (H, V), output/b (V,)
   */
  constructor(description, weights) {
    const { layers, hidden, quantities, gates } = description;
    Object.assign(this, { description, weights });
    this.width = layers * quantities.length * hidden;
    this.cell = CELLS[description.cell];
    this.x_U = new Float64Array(gates.length * hidden);
    this.h_W = new Float64Array(gates.length * hidden);
    this.output = new Float64Array(description.vocabulary.length);
  }

  /** Return where the (H,) values of a quantity begin in a record. */
  offset(layer, name) {
    const { quantities, hidden } = this.description;
    return (layer * quantities.length + quantities.indexOf(name)) * hidden;
  }

  /** Return the state before the first character. */
  zeroRecord() {
    return new Float32Array(this.width);
  }

  /**
   * Read a character.
   *
   * @param before (width,) the record before it; not changed
   * @param id of the character, or of the label that begins a document
   * @param after (width,) overwritten with the record after it
   * @param logits (V,) overwritten with the prediction of the next character
   * @param changes the interventions that are active at this character
   */
  step(before, id, after, logits, changes = []) {
    const { layers, activation } = this.description;
    const { x_U, h_W, output, weights } = this;
    const state = setMemories(this, before, changes);
    let x = null;
    for (let layer = 0; layer < layers; layer++) {
      const [earlier, now] = [state, after].map((record) => this.quantities(record, layer));
      const [U, W, b] = ["U", "W", "b"].map((name) => weights[`layer${layer}/${name}`]);
      x_U.set(b);
      if (layer === 0) addRow(x_U, U, id);
      else addProduct(x_U, x, U);
      h_W.fill(0);
      addProduct(h_W, hiddenUnits(earlier.h, layer, changes), W);
      this.cell(now, earlier, x_U, h_W, () => forcedGates(this.description, now, layer, changes), activation);
      x = hiddenUnits(now.h, layer, changes);
    }
    output.set(weights["output/b"]);
    addProduct(output, x, weights["output/W"]);
    logits.set(output);
  }

  /** Return the quantities of a layer in a record: name → (H,) view. */
  quantities(record, layer) {
    const { quantities, hidden } = this.description;
    return Object.fromEntries(quantities.map((name) => {
      const start = this.offset(layer, name);
      return [name, record.subarray(start, start + hidden)];
    }));
  }
}

/** Add a row of a (D, N) matrix to y, (N,). */
function addRow(y, M, row) {
  const N = y.length;
  for (let j = 0; j < N; j++) y[j] += M[row * N + j];
}

/** Add x·M to y, for x (D,), M (D, N) and y (N,): four rows at once, so that y is read and written less often. */
function addProduct(y, x, M) {
  const [N, D] = [y.length, x.length];
  let k = 0;
  for (; k + 3 < D; k += 4) {
    const [x0, x1, x2, x3] = [x[k], x[k + 1], x[k + 2], x[k + 3]];
    const [r0, r1, r2, r3] = [k * N, (k + 1) * N, (k + 2) * N, (k + 3) * N];
    for (let j = 0; j < N; j++) y[j] += x0 * M[r0 + j] + x1 * M[r1 + j] + x2 * M[r2 + j] + x3 * M[r3 + j];
  }
  for (; k < D; k++) {
    for (let j = 0; j < N; j++) y[j] += x[k] * M[k * N + j];
  }
}
