"""Train variants of the LSTM, and several small ones in place of one, at equal numbers of characters read.

    python variants.py TEXT [VARIANT ...] [--characters N] [--seeds N ...]

TEXT is a UTF-8 file. Networks train on its first 81 %, and the next 9 % are the validation set, in 64 rows after 256
characters each. The last 10 % are never read. Without VARIANT, all of `VARIANTS` and `GROUPS` run. The networks are
trained as charlstm trains a stream with its automatic settings, with other random numbers, and PyTorch differentiates
them; *base* is the cell of charlstm. A line has the training loss, the validation loss of the average of the weights,
the temperature that is best for the first half of the validation set, and the losses of the second half at temperature
1 and at that one. All losses are in nats per character.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from charlstm.base.config import TrainingConfig
from charlstm.training.recipe import choose_settings, choose_warmup
from charlstm.training.schedule import learning_rate

BETAS, EPSILON = (0.9, 0.99), 1e-8
BATCH, WINDOW = 16, 64
CONTEXT, ROWS = 256, 64  # of the validation
TEMPERATURES = np.linspace(0.8, 1.25, 46)
NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "layer norm": lambda z: functional.layer_norm(z, z.shape[-1:]),
    "RMS norm": lambda z: z * (z.square().mean(-1, keepdim=True) + 1e-5).rsqrt(),
}

# What differs from the base.
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "layer norm": {"norm": "layer norm"},
    "RMS norm": {"norm": "RMS norm"},
    "coupled": {"coupled": True},
    "zoneout": {"zoneout": 0.05},
    "two layers": {"hidden": 176, "layers": 2},
    "skip": {"hidden": 176, "layers": 2, "skip": True},
    "tied": {"tied": True},
    "factored": {"rank": 32},
}
# Several networks that share the characters: how many are averaged, and whether one more learns from their average.
GROUPS: dict[str, tuple[int, bool]] = {
    "average of two": (2, False),
    "two teach a third": (2, True),
}


class Network:
    """An LSTM that predicts characters; all its weights are parts of one vector, `flat`.

    Parameters
    ----------
    vocabulary_size
        Number of distinct characters (V).
    variant
        One of `VARIANTS`.
    seed
        Of the first weights.
    """

    def __init__(self, vocabulary_size: int, variant: dict[str, Any], seed: int) -> None:
        V, H, L = vocabulary_size, variant.get("hidden", 256), variant.get("layers", 1)
        self.V, self.H, self.L, self.variant = V, H, L, variant
        rng = np.random.default_rng(seed)
        first: dict[str, np.ndarray] = {}
        for k in range(L):
            inputs = V if k == 0 and "tied" not in variant else H
            deviation = 0.8 if k == 0 else 1.0 / math.sqrt(H)
            first[f"U{k}"] = rng.standard_normal((inputs, 4 * H)) * deviation
            first[f"W{k}"] = np.concatenate([np.linalg.qr(rng.standard_normal((H, H)))[0] for _ in range(4)], 1)
            first[f"b{k}"] = np.zeros(4 * H)
            if "norm" in variant:
                first[f"g{k}"] = np.ones(4 * H)
        width = L * H if variant.get("skip") else H
        if "rank" in variant:
            first["P"] = rng.standard_normal((width, variant["rank"])) / math.sqrt(width)
            width = variant["rank"]
        if variant.get("tied"):
            first["E"] = rng.standard_normal((V, H)) / math.sqrt(H)
        else:
            first["V"] = rng.standard_normal((width, V)) * 0.1 / math.sqrt(width)
        first["d"] = np.zeros(V)
        self.shapes = {name: each.shape for name, each in first.items()}
        self.flat = torch.tensor(np.concatenate([each.ravel() for each in first.values()]), dtype=torch.float32)
        self.decayed = torch.cat([torch.full((each.size,), float(each.ndim > 1)) for each in first.values()])

    def zero_state(self, rows: int) -> list[Tensor]:
        """Return h and c of every layer, zero."""
        return [torch.zeros(rows, self.H) for _ in range(2 * self.L)]

    def read(
        self, flat: Tensor, x: Tensor, state: list[Tensor], dropout: float = 0.0, weight_dropout: float = 0.0
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return logits (T, B, V), the changes of the last layer's outputs (T, B, H), and the state after characters x.

        Without dropout rates, zoneout takes its mean.
        """
        T, B = x.shape
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        w = {name: part.view(self.shapes[name]) for name, part in zip(self.shapes, flat.split(sizes), strict=True)}
        is_training, after, every = flat.requires_grad, [], []
        inputs: Tensor | None = w["E"][x] if self.variant.get("tied") else None  # (T, B, H)
        outputs = torch.empty(0)
        for k in range(self.L):
            h, c = state[2 * k], state[2 * k + 1]
            W = w[f"W{k}"]
            if is_training and weight_dropout:
                W = W * _mask(weight_dropout, *W.shape)
            x_U = w[f"U{k}"][x] if inputs is None else inputs @ w[f"U{k}"]  # (T, B, 4H)
            if "norm" not in self.variant:
                x_U = x_U + w[f"b{k}"]
            hs = [h]
            for t in range(T):
                h, c = self._step(torch.addmm(x_U[t], h, W), h, c, w, k, is_training)
                hs.append(h)
            after += [h.detach(), c.detach()]
            outputs = torch.stack(hs)  # (T + 1, B, H)
            inputs = outputs[1:] * _mask(dropout, B, self.H) if is_training and dropout else outputs[1:]
            every.append(inputs)
        last = torch.cat(every, -1) if self.variant.get("skip") else every[-1]
        if "P" in w:
            last = last @ w["P"]
        logits = last @ (w["E"].T if "E" in w else w["V"]) + w["d"]
        return logits, outputs[1:] - outputs[:-1], after

    def _step(
        self, z: Tensor, h_before: Tensor, c_before: Tensor, w: dict[str, Tensor], k: int, is_training: bool
    ) -> tuple[Tensor, Tensor]:
        if "norm" in self.variant:
            z = NORMS[self.variant["norm"]](z.view(-1, 4, self.H)).view(-1, 4 * self.H) * w[f"g{k}"] + w[f"b{k}"]
        f, i, o, c_tilde = z.chunk(4, -1)
        f, o = f.sigmoid(), o.sigmoid()
        i = 1.0 - f if self.variant.get("coupled") else i.sigmoid()
        c = f * c_before + i * c_tilde.tanh()
        h = o * c.tanh()
        kept = self.variant.get("zoneout", 0.0)
        if kept and is_training:
            c = torch.where(torch.rand_like(c) < kept, c_before, c)
            h = torch.where(torch.rand_like(h) < kept, h_before, h)
        elif kept:
            c, h = torch.lerp(c, c_before, kept), torch.lerp(h, h_before, kept)
        return h, c


def _mask(rate: float, *shape: int) -> Tensor:
    return (torch.rand(*shape) >= rate).float() / (1.0 - rate)


def train(
    ids: np.ndarray,
    vocabulary_size: int,
    variant: dict[str, Any],
    characters: float,
    seed: int,
    teachers: Sequence[Network] = (),
) -> tuple[Network, float]:
    """Return a network whose weights are the average over the end of its training, and its last training losses' mean.

    Parameters
    ----------
    ids : (N,) array of ids
        The text.
    vocabulary_size
        Number of distinct characters (V).
    variant
        One of `VARIANTS`.
    characters
        Characters to read.
    seed
        Of the first weights, and of dropout.
    teachers
        Networks from which this one learns: half of its loss is the cross entropy with the mean of their predictions.
    """
    torch.manual_seed(seed)
    steps, hidden = round(characters / (BATCH * WINDOW)), variant.get("hidden", 256)
    chosen = {"documents": "", "hidden": hidden, "layers": variant.get("layers", 1), "batch_size": BATCH}
    settings = choose_settings(len(ids), np.zeros(0, int), 0.0, None, steps, chosen)
    config = TrainingConfig(
        steps=steps,
        warmup=choose_warmup(steps),
        learning_rate=settings["learning_rate"],
        hold=settings["hold"],
    )
    network = Network(vocabulary_size, variant, seed)
    flat = network.flat
    m, v, average = torch.zeros_like(flat), torch.zeros_like(flat), torch.zeros_like(flat)
    losses: list[float] = []
    length = (len(ids) - 1) // BATCH
    x_rows, y_rows = (torch.tensor(ids[k : k + BATCH * length].reshape(BATCH, length).T) for k in (0, 1))  # (N/B, B)
    for step in range(steps):
        place = step % (length // WINDOW)
        if place == 0:
            state = network.zero_state(BATCH)
            states = [teacher.zero_state(BATCH) for teacher in teachers]
        x, y = (each[place * WINDOW : (place + 1) * WINDOW] for each in (x_rows, y_rows))
        used = flat.detach().requires_grad_()
        logits, changes, state = network.read(used, x, state, settings["dropout"], settings["weight_dropout"])
        cross_entropy = functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        loss = cross_entropy
        if teachers:
            targets = torch.zeros(())
            for k, teacher in enumerate(teachers):
                with torch.no_grad():
                    predicted, _, states[k] = teacher.read(teacher.flat, x, states[k])
                targets = targets + predicted.softmax(-1) / len(teachers)
            loss = 0.5 * loss - 0.5 * (targets * logits.log_softmax(-1)).sum(-1).mean()
        (gradient,) = torch.autograd.grad(loss + settings["tar"] * changes.square().mean(), used)
        losses.append(float(cross_entropy.detach()))
        gradient *= min(1.0, settings["clip"] / float(gradient.norm()))
        m.lerp_(gradient, 1.0 - BETAS[0])
        v.lerp_(gradient.square(), 1.0 - BETAS[1])
        rate = learning_rate(config, step)
        flat -= rate * (m / (1.0 - BETAS[0] ** (step + 1))) / ((v / (1.0 - BETAS[1] ** (step + 1))).sqrt() + EPSILON)
        flat *= 1.0 - rate * settings["weight_decay"] * network.decayed
        average.lerp_(flat, (settings["averaging"] + 1.0) / (step + 1 + settings["averaging"]))
    network.flat = average
    return network, float(np.mean(losses[-max(1, steps // 20) :]))


@torch.no_grad()
def predict(network: Network, ids: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the logarithms of the predictions (K, V) of the ids after the first 256, and those ids (K,)."""
    length = -(-(len(ids) - CONTEXT) // ROWS)
    padded = torch.zeros(CONTEXT + ROWS * length + 1, dtype=torch.int64)
    padded[: len(ids)] = torch.tensor(ids)
    x = torch.stack([padded[row * length : row * length + CONTEXT + length] for row in range(ROWS)], 1)  # (T, B)
    state, found = network.zero_state(ROWS), []
    for start in range(0, len(x) - 1, 64):
        logits, _, state = network.read(network.flat, x[start : min(start + 64, len(x) - 1)], state)
        found.append(logits.log_softmax(-1))
    log_p = torch.cat(found)[CONTEXT - 1 :].transpose(0, 1).flatten(0, 1)  # (64 · length, V)
    return log_p[: len(ids) - CONTEXT], padded[CONTEXT : len(ids)]


def score(log_p: Tensor, targets: Tensor) -> tuple[float, float, float, float]:
    """Return the loss, the best temperature for the first half, and the losses of the second half at 1 and at that."""

    def loss(part: slice, temperature: float) -> float:
        return float(functional.cross_entropy(log_p[part] / temperature, targets[part]))

    half = len(targets) // 2
    best = min(TEMPERATURES, key=lambda temperature: loss(slice(half), temperature))
    rest = slice(half, None)
    return loss(slice(None), 1.0), float(best), loss(rest, 1.0), loss(rest, float(best))


def main() -> None:
    """Train, and print a line for each variant and seed."""
    parser = argparse.ArgumentParser(description="Variants of the LSTM at equal numbers of characters read.")
    parser.add_argument("text", type=Path)
    parser.add_argument("variants", nargs="*", metavar="VARIANT")
    parser.add_argument("--characters", type=float, default=4e6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    unknown = set(given.variants) - {*VARIANTS, *GROUPS}
    if unknown:
        parser.error(f"{sorted(unknown)[0]}: unknown; the variants are {', '.join([*VARIANTS, *GROUPS])}")
    torch.set_num_threads(1)
    whole = given.text.read_text(encoding="utf-8")
    vocabulary = {character: id_ for id_, character in enumerate(sorted(set(whole)))}
    ids = np.array([vocabulary[character] for character in whole[: int(len(whole) * 0.9)]], np.int64)
    start = len(ids) - round(len(ids) * 0.1)
    text, held_out, V = ids[:start], ids[start - CONTEXT :], len(vocabulary)
    columns = ("training", "validation", "temperature", "2nd half, 1", "2nd half, T")
    print(f"{'variant':22}{'seed':>5}" + "".join(f"{column:>13}" for column in columns) + f"{'CPU s':>7}", flush=True)
    for name in given.variants or [*VARIANTS, *GROUPS]:
        for seed in given.seeds:
            began = time.process_time()
            count, has_student = GROUPS.get(name, (1, False))
            share, variant = given.characters / (count + has_student), VARIANTS.get(name, {})
            trained = [train(text, V, variant, share, 100 * k + seed) for k in range(count)]
            if has_student:
                trained = [train(text, V, variant, share, 100 * count + seed, [each for each, _ in trained])]
            predicted = [predict(network, held_out) for network, _ in trained]
            log_p = torch.stack([each for each, _ in predicted]).exp().mean(0).log()
            figures = (float(np.mean([loss for _, loss in trained])), *score(log_p, predicted[0][1]))
            seconds = time.process_time() - began
            line = "".join(f"{figure:>13.4f}" for figure in figures) + f"{seconds:>7.0f}"
            print(f"{name:22}{seed:>5}" + line, flush=True)


if __name__ == "__main__":
    main()
