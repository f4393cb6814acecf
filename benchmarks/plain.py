"""A plain LSTM as tutorials write it: one layer, one text, one character and one vector at a time.

The benchmarks compare charlstm with it. It uses float64, multiplies one-hot characters in full, computes one product
per gate, clips gradients element by element, and updates with Adagrad.
"""

from __future__ import annotations

import numpy as np

GATES = ("f", "i", "o", "c")


def sigmoid(z):
    """The logistic function."""
    return 1 / (1 + np.exp(-z))


class Network:
    """An LSTM as the equations are written."""

    def __init__(self, characters, hidden):
        rng = np.random.default_rng(0)
        self.characters, self.hidden = characters, hidden
        self.weights = {"V": rng.normal(0, 0.1, (characters, hidden)), "bV": np.zeros((characters, 1))}
        for gate in GATES:
            self.weights["U" + gate] = rng.normal(0, 0.1, (hidden, characters))
            self.weights["W" + gate] = rng.normal(0, 0.1, (hidden, hidden))
            self.weights["b" + gate] = np.zeros((hidden, 1))
        self.squares = {name: np.zeros_like(weight) for name, weight in self.weights.items()}
        self.h, self.c = np.zeros((hidden, 1)), np.zeros((hidden, 1))

    def step(self, character, h, c):
        """One character: the gates, the new state and the chances of the next character."""
        w = self.weights
        x = np.zeros((self.characters, 1))
        x[character] = 1
        z = {gate: w["U" + gate] @ x + w["W" + gate] @ h + w["b" + gate] for gate in GATES}
        gates = {gate: sigmoid(z[gate]) for gate in "fio"} | {"c": np.tanh(z["c"])}
        new_c = gates["f"] * c + gates["i"] * gates["c"]
        new_h = gates["o"] * np.tanh(new_c)
        y = w["V"] @ new_h + w["bV"]
        chances = np.exp(y - y.max())
        return x, gates, new_h, new_c, chances / chances.sum()

    def learn(self, ids, targets):
        """One window of text, forward and back, and an update."""
        w, record = self.weights, []
        h, c = self.h, self.c
        for character in ids:
            x, gates, new_h, new_c, chances = self.step(character, h, c)
            record.append((x, gates, h, c, new_h, new_c, chances))
            h, c = new_h, new_c
        self.h, self.c = h, c
        d = {name: np.zeros_like(weight) for name, weight in w.items()}
        dh, dc = np.zeros_like(h), np.zeros_like(c)
        for (x, gates, h, c, new_h, new_c, chances), target in zip(reversed(record), reversed(targets), strict=True):
            dy = chances.copy()
            dy[target] -= 1
            d["V"] += dy @ new_h.T
            d["bV"] += dy
            dh = dh + w["V"].T @ dy
            dc = dc + dh * gates["o"] * (1 - np.tanh(new_c) ** 2)
            dz = {
                "f": dc * c * gates["f"] * (1 - gates["f"]),
                "i": dc * gates["c"] * gates["i"] * (1 - gates["i"]),
                "o": dh * np.tanh(new_c) * gates["o"] * (1 - gates["o"]),
                "c": dc * gates["i"] * (1 - gates["c"] ** 2),
            }
            dh = np.zeros_like(dh)
            for gate in GATES:
                d["U" + gate] += dz[gate] @ x.T
                d["W" + gate] += dz[gate] @ h.T
                d["b" + gate] += dz[gate]
                dh += w["W" + gate].T @ dz[gate]
            dc = dc * gates["f"]
        for name, gradient in d.items():
            np.clip(gradient, -5, 5, out=gradient)
            self.squares[name] += gradient**2
            w[name] -= 0.01 * gradient / np.sqrt(self.squares[name] + 1e-8)

    def sample(self, count):
        """Draw characters one after another."""
        rng = np.random.default_rng(0)
        character, h, c = 0, self.h, self.c
        for _ in range(count):
            _, _, h, c, chances = self.step(character, h, c)
            character = rng.choice(self.characters, p=chances.ravel())
