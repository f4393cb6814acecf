"""The networks in plain Python, one number at a time, written from the equations alone.

Lists stand for arrays, in the order of axes of the package: ids[t][row], state[layer][which][row][unit],
masks[layer][row][unit], logits[t][row][character].
"""

from math import exp, log, tanh
from typing import NamedTuple


class Reading(NamedTuple):
    """What reading a text does."""

    logits: list  # [t][row][character]
    quantities: list  # [layer]{name: [t][row][unit]}
    state: list  # [layer][which][row][unit]


def sigma(z):
    return 1.0 / (1.0 + exp(-z))


def lstm(x, r, state):
    """One step of one row: x = x·U + b and r = h·W, one block after another for f, i, o and c~."""
    h, c = state
    H = len(h)
    step = {name: [] for name in ("f", "i", "o", "c_tilde", "c", "h")}
    for j in range(H):
        f = sigma(x[j] + r[j])
        i = sigma(x[H + j] + r[H + j])
        o = sigma(x[2 * H + j] + r[2 * H + j])
        c_tilde = tanh(x[3 * H + j] + r[3 * H + j])
        new_c = f * c[j] + i * c_tilde
        for name, value in zip(step, (f, i, o, c_tilde, new_c, o * tanh(new_c)), strict=True):
            step[name].append(value)
    return step, [step["h"], step["c"]]


def gru(x, r, state):
    """One step of one row; the blocks are r, u and h~, and the reset gate acts on h·W."""
    (h,) = state
    H = len(h)
    step = {name: [] for name in ("r", "u", "h_tilde", "h")}
    for j in range(H):
        reset = sigma(x[j] + r[j])
        update = sigma(x[H + j] + r[H + j])
        h_tilde = tanh(x[2 * H + j] + reset * r[2 * H + j])
        new_h = update * h[j] + (1.0 - update) * h_tilde
        for name, value in zip(step, (reset, update, h_tilde, new_h), strict=True):
            step[name].append(value)
    return step, [step["h"]]


def rnn(x, r, state):
    new_h = [tanh(x[j] + r[j]) for j in range(len(state[0]))]
    return {"h": new_h}, [new_h]


def relu(x, r, state):
    new_h = [max(0.0, x[j] + r[j]) for j in range(len(state[0]))]
    return {"h": new_h}, [new_h]


STEPS = {"lstm": lstm, "gru": gru, "rnn": rnn, "relu": relu}


def product(vector, matrix):
    return [sum(v * row[k] for v, row in zip(vector, matrix, strict=True)) for k in range(len(matrix[0]))]


def plus(one, other):
    return [a + b for a, b in zip(one, other, strict=True)]


def read(kind, weights, ids, state, masks=None):
    """Read ids[t][row] from a state; `weights` maps layer0/U … output/b to nested lists."""
    symbols = len(weights["layer0/U"])
    logits = []
    quantities = [{} for _ in state]
    for characters in ids:
        for layer in quantities:
            for rows in layer.values():
                rows.append([])
        logits.append([])
        after = [[[] for _ in layer] for layer in state]
        for row, character in enumerate(characters):
            below = [1.0 if k == character else 0.0 for k in range(symbols)]
            for layer, before in enumerate(state):
                U, W, b = (weights[f"layer{layer}/{name}"] for name in "UWb")
                mine = [which[row] for which in before]
                step, new = STEPS[kind](plus(product(below, U), b), product(mine[0], W), mine)
                for name, values in step.items():
                    quantities[layer].setdefault(name, [[]])[-1].append(values)
                for which, values in enumerate(new):
                    after[layer][which].append(values)
                below = new[0]
                if masks is not None:
                    below = [h * m for h, m in zip(below, masks[layer][row], strict=True)]
            logits[-1].append(plus(product(below, weights["output/W"]), weights["output/b"]))
        state = after
    return Reading(logits, quantities, state)


def probabilities(logits):
    """Softmax of one prediction."""
    largest = max(logits)
    powers = [exp(z - largest) for z in logits]
    return [power / sum(powers) for power in powers]


def loss(logits, targets, loss_mask):
    """Sum of loss_mask[t][row] · −log p(targets[t][row])."""
    total = 0.0
    for predictions, wanted, weights in zip(logits, targets, loss_mask, strict=True):
        for prediction, target, weight in zip(predictions, wanted, weights, strict=True):
            total -= weight * log(probabilities(prediction)[target])
    return total


def surprise_after(kind, weights, ids, state):
    """−log p of the last of some characters of one text, ids[t], after the others are read from a state."""
    logits = read(kind, weights, [[k] for k in ids[:-1]], state).logits[-1][0]
    return -log(probabilities(logits)[ids[-1]])


def slopes(kind, weights, ids, state, step=1e-5):
    """Differences of `surprise_after` along every number of the state before the text: [layer][which][unit]."""

    def changed(layer, which, unit, change):
        copy = [[[list(row) for row in rows] for rows in states] for states in state]
        copy[layer][which][0][unit] += change
        return surprise_after(kind, weights, ids, copy)

    return [
        [
            [(changed(n, s, j, step) - changed(n, s, j, -step)) / (2.0 * step) for j in range(len(rows[0]))]
            for s, rows in enumerate(states)
        ]
        for n, states in enumerate(state)
    ]


def lstm_gradient(weights, ids, targets, state):
    """Read one text with an LSTM of one layer and go back through time: the gradient of the loss, and the last state.

    `ids` and `targets` are lists of characters; `state` is [h, c], each a list; the gradient ends there.
    """
    U, W, b, W_out, b_out = (weights[name] for name in ("layer0/U", "layer0/W", "layer0/b", "output/W", "output/b"))
    H, V = len(W), len(b_out)
    (h, c), steps = state, []
    for x in ids:
        z = plus(plus(U[x], product(h, W)), b)
        f, i, o = ([sigma(value) for value in z[k * H : (k + 1) * H]] for k in range(3))
        g = [tanh(value) for value in z[3 * H :]]
        new_c = [f[j] * c[j] + i[j] * g[j] for j in range(H)]
        new_h = [o[j] * tanh(new_c[j]) for j in range(H)]
        steps.append((x, h, c, f, i, o, g, new_c, new_h))
        h, c = new_h, new_c
    gradient = {name: [0.0] * len(block) if not isinstance(block[0], list) else [[0.0] * len(block[0]) for _ in block]
                for name, block in weights.items()}  # fmt: skip
    dh, dc = [0.0] * H, [0.0] * H
    for (x, before, c_before, f, i, o, g, c, h), target in zip(reversed(steps), reversed(targets), strict=True):
        d_logits = probabilities(plus(product(h, W_out), b_out))
        d_logits[target] -= 1.0
        for v in range(V):
            gradient["output/b"][v] += d_logits[v]
            for j in range(H):
                gradient["output/W"][j][v] += h[j] * d_logits[v]
        dh = [dh[j] + sum(d_logits[v] * W_out[j][v] for v in range(V)) for j in range(H)]
        dz = [0.0] * (4 * H)
        for j in range(H):
            t = tanh(c[j])
            dc[j] += dh[j] * o[j] * (1.0 - t * t)
            dz[j] = dc[j] * c_before[j] * f[j] * (1.0 - f[j])
            dz[H + j] = dc[j] * g[j] * i[j] * (1.0 - i[j])
            dz[2 * H + j] = dh[j] * t * o[j] * (1.0 - o[j])
            dz[3 * H + j] = dc[j] * i[j] * (1.0 - g[j] * g[j])
            dc[j] *= f[j]
        for k in range(4 * H):
            gradient["layer0/b"][k] += dz[k]
            gradient["layer0/U"][x][k] += dz[k]
            for j in range(H):
                gradient["layer0/W"][j][k] += before[j] * dz[k]
        dh = [sum(dz[k] * W[j][k] for k in range(4 * H)) for j in range(H)]
    return gradient, [steps[-1][8], steps[-1][7]]
