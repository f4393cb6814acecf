"""An LSTM as its equations: one text, one layer, one character at a time; forward, and back through time.

`weights` has the arrays of a model file by their names: layer0/U (V, 4·H), layer0/W (H, 4·H), layer0/b (4·H,),
output/W (H, V), output/b (V,). The blocks of columns are f, i, o, c~.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step(x, h_before, c_before, weights):
    """Read the character with id x: the gates, the memory and the hidden state after it."""
    z = weights["layer0/U"][x] + h_before @ weights["layer0/W"] + weights["layer0/b"]
    z_f, z_i, z_o, z_c = np.split(z, 4)
    f = sigmoid(z_f)  # forget gate
    i = sigmoid(z_i)  # input gate
    o = sigmoid(z_o)  # output gate
    c_tilde = np.tanh(z_c)  # candidate
    c = f * c_before + i * c_tilde  # memory
    h = o * np.tanh(c)  # hidden state
    return f, i, o, c_tilde, c, h


def forward(ids, weights):
    """Read a text: what every step computed, and the probabilities of the character after it."""
    h = c = np.zeros(len(weights["layer0/W"]))
    steps, probabilities = [], []
    for x in ids:
        before = h, c
        f, i, o, c_tilde, c, h = step(x, h, c, weights)
        steps.append((before, (f, i, o, c_tilde, c, h)))
        logits = h @ weights["output/W"] + weights["output/b"]
        e = np.exp(logits - logits.max())
        probabilities.append(e / e.sum())
    return steps, probabilities


def gradients(ids, targets, weights):
    """Backpropagate −Σ log p(target) through time: the gradient of every weight."""
    steps, probabilities = forward(ids, weights)
    d = {name: np.zeros_like(weight) for name, weight in weights.items()}
    dh = dc = np.zeros(len(weights["layer0/W"]))  # what later steps pass back
    for t in reversed(range(len(ids))):
        (h_before, c_before), (f, i, o, c_tilde, c, h) = steps[t]
        d_logits = probabilities[t].copy()
        d_logits[targets[t]] -= 1
        d["output/W"] += np.outer(h, d_logits)
        d["output/b"] += d_logits
        dh = dh + weights["output/W"] @ d_logits
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        dz_f = dc * c_before * f * (1 - f)
        dz_i = dc * c_tilde * i * (1 - i)
        dz_o = dh * np.tanh(c) * o * (1 - o)
        dz_c = dc * i * (1 - c_tilde**2)
        dz = np.concatenate([dz_f, dz_i, dz_o, dz_c])
        d["layer0/U"][ids[t]] += dz
        d["layer0/W"] += np.outer(h_before, dz)
        d["layer0/b"] += dz
        dh, dc = weights["layer0/W"] @ dz, dc * f
    return d
