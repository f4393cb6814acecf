"""Train many networks side by side on a GPU, to compare settings of the training.

    python sweep.py TEXT SWEEPS.json      # train, and print a line of JSON for each setting
    python sweep.py --check               # compare the gradient with that of charlstm; needs no GPU

TEXT is a UTF-8 file. Its last tenth is never read. Each setting trains for each random seed on two parts of the rest:
without its last tenth, and without its first tenth; what is left out is the validation set. The loss of a setting is
the mean over seeds and parts. SWEEPS.json is a list of objects:

    {"name": "7M", "hidden": 256, "rows": 16, "seq_len": 64, "characters": 7e6, "seeds": [0, 1], "range": [0, 100000],
     "tf32": false, "base": {"dropout": 0.05}, "settings": [{}, {"tar": 5.0}]}

`base` and each of `settings` name settings of `DEFAULTS`. `range`, `seeds`, `tf32` and `base` may be left out. The
networks are LSTMs with one layer that read streams; equations and schedule are those of charlstm, random numbers are
not. On a GPU, a step is one CUDA graph, and Triton compiles the element-wise part of the cell. The sweeps of
docs/explanation/recipes.md are in sweeps.json. Needs PyTorch, and Triton on a GPU.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

Array = torch.Tensor
GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
EXPONENTS = (4, 8, 16)  # of the averages of the weights
BETA1, EPSILON, CLIP, WARMUP = 0.9, 1e-8, 1.0, 50
CONTEXT, ROWS = 256, 64  # of the validation
DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.03,
    "hold": 0.5,
    "decay": "cosine",
    "dropout": 0.0,
    "weight_dropout": 0.0,
    "weight_decay": 0.02,
    "beta2": 0.99,
    "tar": 0.0,  # temporal activation regularisation
    "ar": 0.0,  # activation regularisation: the same with the outputs instead of their changes
    "noise": 0.0,  # probability that a character that is read is replaced by a random one
    "candidate_dropout": 0.0,  # dropout of c~, one mask per row and step (Semeniuta et al. 2016)
    "smoothing": 0.0,  # label smoothing
    "rate_U": 1.0,  # factors of the learning rate
    "rate_b": 1.0,
    "rate_output": 1.0,
    "deviation_U": 0.8,
}
DECAYS = {
    "cosine": lambda x: 0.5 * (1.0 + np.cos(np.pi * x)),
    "1-sqrt": lambda x: 1.0 - np.sqrt(x),
    "linear": lambda x: 1.0 - x,
}
BLOCKS = ("U", "W", "b", "output_W", "output_b")
RATES = {"U": "rate_U", "b": "rate_b", "output_W": "rate_output", "output_b": "rate_output"}

if GPU:
    import triton
    import triton.language as tl

    @triton.jit
    def _forward(z, c_before, mask, gates, c, h, n, H, SIZE: tl.constexpr):  # noqa: ANN001, ANN202
        k = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
        ok = k < n
        at = k // H * 4 * H + k % H
        f = tl.sigmoid(tl.load(z + at, ok, 0.0))
        i = tl.sigmoid(tl.load(z + at + H, ok, 0.0))
        o = tl.sigmoid(tl.load(z + at + 2 * H, ok, 0.0))
        c_tilde = 2.0 * tl.sigmoid(2.0 * tl.load(z + at + 3 * H, ok, 0.0)) - 1.0
        new = f * tl.load(c_before + k, ok, 0.0) + i * c_tilde * tl.load(mask + k, ok, 0.0)
        tl.store(gates + at, f, ok)
        tl.store(gates + at + H, i, ok)
        tl.store(gates + at + 2 * H, o, ok)
        tl.store(gates + at + 3 * H, c_tilde, ok)
        tl.store(c + k, new, ok)
        tl.store(h + k, o * (2.0 * tl.sigmoid(2.0 * new) - 1.0), ok)

    @triton.jit
    def _backward(dh, dc, gates, c_before, c, mask, dz, n, H, SIZE: tl.constexpr):  # noqa: ANN001, ANN202
        k = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
        ok = k < n
        at = k // H * 4 * H + k % H
        f, i = tl.load(gates + at, ok, 0.0), tl.load(gates + at + H, ok, 0.0)
        o, c_tilde = tl.load(gates + at + 2 * H, ok, 0.0), tl.load(gates + at + 3 * H, ok, 0.0)
        m, d = tl.load(mask + k, ok, 0.0), tl.load(dh + k, ok, 0.0)
        tanh_c = 2.0 * tl.sigmoid(2.0 * tl.load(c + k, ok, 0.0)) - 1.0
        e = tl.load(dc + k, ok, 0.0) + d * o * (1.0 - tanh_c * tanh_c)
        tl.store(dz + at, e * tl.load(c_before + k, ok, 0.0) * f * (1.0 - f), ok)
        tl.store(dz + at + H, e * c_tilde * m * i * (1.0 - i), ok)
        tl.store(dz + at + 2 * H, d * tanh_c * o * (1.0 - o), ok)
        tl.store(dz + at + 3 * H, e * i * m * (1.0 - c_tilde * c_tilde), ok)
        tl.store(dc + k, e * f, ok)

    def forward(z: Array, c_before: Array, mask: Array, gates: Array, c: Array, h: Array) -> None:
        """Take a step of the cell: write the gates, c and h."""
        _forward[(triton.cdiv(h.numel(), 512),)](z, c_before, mask, gates, c, h, h.numel(), h.shape[-1], SIZE=512)

    def backward(dh: Array, dc: Array, gates: Array, c_before: Array, c: Array, mask: Array, dz: Array) -> None:
        """Take a step of the cell back: write dz, and replace dc by that of the step before."""
        n = dh.numel()
        _backward[(triton.cdiv(n, 512),)](dh, dc, gates, c_before, c, mask, dz, n, dh.shape[-1], SIZE=512)

else:

    def forward(z: Array, c_before: Array, mask: Array, gates: Array, c: Array, h: Array) -> None:
        """Take a step of the cell: write the gates, c and h."""
        f, i, o, c_tilde = z.chunk(4, -1)
        f, i, o, c_tilde = f.sigmoid(), i.sigmoid(), o.sigmoid(), c_tilde.tanh()
        gates.copy_(torch.cat([f, i, o, c_tilde], -1))
        c.copy_(f * c_before + i * c_tilde * mask)
        h.copy_(o * c.tanh())

    def backward(dh: Array, dc: Array, gates: Array, c_before: Array, c: Array, mask: Array, dz: Array) -> None:
        """Take a step of the cell back: write dz, and replace dc by that of the step before."""
        f, i, o, c_tilde = gates.chunk(4, -1)
        tanh_c = c.tanh()
        e = dc + dh * o * (1 - tanh_c * tanh_c)
        parts = (
            e * c_before * f * (1 - f),
            e * c_tilde * mask * i * (1 - i),
            dh * tanh_c * o * (1 - o),
            e * i * mask * (1 - c_tilde * c_tilde),
        )
        dz.copy_(torch.cat(parts, -1))
        dc.copy_(e * f)


def learning_rates(settings: dict[str, Any], steps: int) -> np.ndarray:
    """Return the learning rate of every step."""
    step = np.arange(steps, dtype=np.float64)
    after = np.clip(((step - WARMUP) / max(1, steps - WARMUP) - settings["hold"]) / (1.0 - settings["hold"]), 0.0, 1.0)
    rising = (step + 1.0) / WARMUP
    return settings["learning_rate"] * np.where(step < WARMUP, rising, DECAYS[settings["decay"]](after))


class Sweep:
    """R networks in training, each with settings of its own.

    Parameters
    ----------
    ids : (N,) array of ids
        The text.
    vocabulary_size
        Number of distinct characters (V).
    shape
        `hidden` (H), `rows` (B), `seq_len` (T), `characters`.
    networks
        Settings of each network, with `seed` and `part`.
    """

    def __init__(self, ids: np.ndarray, vocabulary_size: int, shape: dict[str, Any], networks: list[dict]) -> None:
        V, H, B, T = vocabulary_size, shape["hidden"], shape["rows"], shape["seq_len"]
        R = len(networks)
        self.V, self.H, self.B, self.T, self.R, self.networks = V, H, B, T, R, networks
        left_out = round(len(ids) * 0.1)
        length = (len(ids) - left_out - 1) // B
        self.per_epoch = length // T
        parts = (ids[: len(ids) - left_out], ids[left_out:])
        rows = [np.stack([part[k : B * length + k].reshape(B, length) for part in parts]) for k in (0, 1)]
        self.inputs, self.targets = (torch.tensor(each, dtype=torch.int64, device=DEVICE) for each in rows)
        self.held_out = (ids[len(ids) - left_out - CONTEXT :], ids[:left_out])
        self.part = torch.tensor([each["part"] for each in networks], device=DEVICE)
        self.steps = round(shape["characters"] / (B * T))
        self.sizes = {"U": (V, 4 * H), "W": (H, 4 * H), "b": (4 * H,), "output_W": (H, V), "output_b": (V,)}

        def zeros(*size: int) -> Array:
            return torch.zeros(*size, device=DEVICE)

        P = sum(map(math.prod, self.sizes.values()))
        self.weights, self.gradient, self.m, self.v = (zeros(R, P) for _ in range(4))
        self.averages = {exponent: zeros(R, P) for exponent in EXPONENTS}
        blocks = self.blocks(self.weights)
        for r, settings in enumerate(networks):
            rng = np.random.default_rng(settings["seed"])
            orthogonal = [np.linalg.qr(rng.standard_normal((H, H)))[0] for _ in range(4)]
            blocks["U"][r] = torch.tensor(rng.standard_normal((V, 4 * H)) * settings["deviation_U"])
            blocks["W"][r] = torch.tensor(np.concatenate(orthogonal, 1))
            blocks["output_W"][r] = torch.tensor(rng.standard_normal((H, V)) * 0.1 / math.sqrt(H))
        self.of = {
            name: torch.tensor([float(each[name]) for each in networks], device=DEVICE)
            for name in DEFAULTS
            if name != "decay"
        }
        self.used = {name for name in DEFAULTS if any(each[name] for each in networks)}
        rates = np.stack([learning_rates(each, self.steps) for each in networks], 1)
        self.rates = torch.tensor(rates, dtype=torch.float32, device=DEVICE)  # (steps, R)
        self.factors, self.decayed = torch.ones_like(self.weights), torch.zeros_like(self.weights)
        for name, block in self.blocks(self.factors).items():
            if name in RATES:
                block *= self.of[RATES[name]].view(R, *[1] * (block.ndim - 1))
        for block in self.blocks(self.decayed).values():
            if block.ndim > 2:
                block += self.of["weight_decay"][:, None, None]
        self.step = torch.zeros((), dtype=torch.int64, device=DEVICE)
        self.h, self.c = zeros(T + 1, R, B, H), zeros(T + 1, R, B, H)
        self.z, self.gates, self.dz = (zeros(T, R, B, 4 * H) for _ in range(3))
        self.dc, self.ones = zeros(R, B, H), torch.ones(R, B, H, device=DEVICE)
        self.losses = zeros(self.steps, R)

    def blocks(self, flat: Array) -> dict[str, Array]:
        """Return the blocks of flat vectors (R, P), by name."""
        result, start = {}, 0
        for name in BLOCKS:
            size = math.prod(self.sizes[name])
            result[name] = flat[:, start : start + size].view(len(flat), *self.sizes[name])
            start += size
        return result

    def mask(self, name: str, *shape: int) -> Array:
        """Return dropout masks with the rate of each network."""
        rate = self.of[name].view(-1, *[1] * (len(shape) - 1))
        return (torch.rand(*shape, device=DEVICE) >= rate).float() / (1 - rate)

    def take_step(self) -> None:
        """Take one optimizer step of every network."""
        R, B, T, H, V = self.R, self.B, self.T, self.H, self.V
        place = self.step % self.per_epoch
        columns = place * T + torch.arange(T, device=DEVICE)
        x, y = (rows[:, :, columns][self.part].permute(2, 0, 1) for rows in (self.inputs, self.targets))  # (T, R, B)
        if "noise" in self.used:
            is_random = torch.rand(x.shape, device=DEVICE) < self.of["noise"][:, None]
            x = torch.where(is_random, torch.randint(0, V, x.shape, device=DEVICE), x)
        for states in (self.h, self.c):
            states[0].copy_(states[T] * (place != 0).float())
        w, g = self.blocks(self.weights), self.blocks(self.gradient)
        W, dropped = w["W"], None
        if "weight_dropout" in self.used:
            dropped = self.mask("weight_dropout", *W.shape)
            W = W * dropped
        c_mask = self.mask("candidate_dropout", R, B, H) if "candidate_dropout" in self.used else self.ones
        first = (torch.arange(R, device=DEVICE) * V)[:, None]
        table = (w["U"] + w["b"][:, None, :]).reshape(R * V, 4 * H)
        x_U = table.index_select(0, (x + first).reshape(-1)).view(T, R, B, 4 * H)
        for t in range(T):
            torch.baddbmm(x_U[t], self.h[t], W, out=self.z[t])
            forward(self.z[t], self.c[t], c_mask, self.gates[t], self.c[t + 1], self.h[t + 1])

        mask = self.mask("dropout", R, B, H)
        outputs = self.h[1:] * mask
        rows = outputs.permute(1, 0, 2, 3).reshape(R, T * B, H)
        log_p = torch.log_softmax(torch.baddbmm(w["output_b"][:, None, :], rows, w["output_W"]), -1)
        wanted = y.permute(1, 0, 2).reshape(R, T * B, 1)
        loss = -log_p.gather(2, wanted).mean((1, 2))
        smoothing = self.of["smoothing"][:, None, None]
        d_logits = log_p.exp()
        d_logits.scatter_add_(2, wanted, (smoothing - 1).expand(R, T * B, 1))
        d_logits = (d_logits - smoothing / V) / (T * B)
        g["output_W"].copy_(torch.bmm(rows.transpose(1, 2), d_logits))
        g["output_b"].copy_(d_logits.sum(1))
        dh = torch.bmm(d_logits, w["output_W"].transpose(1, 2)).view(R, T, B, H).permute(1, 0, 2, 3)
        if "ar" in self.used:
            dh = dh + 2 / (T * B * H) * self.of["ar"][:, None, None] * outputs
        dh = (dh * mask).contiguous()
        if "tar" in self.used:
            d_change = 2 / (T * B * H) * self.of["tar"][:, None, None] * (self.h[1:] - self.h[:-1])
            dh += d_change
            dh[:-1] -= d_change[1:]

        self.dc.zero_()
        W_T = W.transpose(1, 2)
        for t in reversed(range(T)):
            d = dh[t] if t == T - 1 else torch.baddbmm(dh[t], self.dz[t + 1], W_T)
            backward(d, self.dc, self.gates[t], self.c[t], self.c[t + 1], c_mask, self.dz[t])
        dz, before = (each.permute(1, 0, 2, 3).reshape(R, T * B, -1) for each in (self.dz, self.h[:-1]))
        dW = torch.bmm(before.transpose(1, 2), dz)
        g["W"].copy_(dW if dropped is None else dW * dropped)
        one_hot = torch.zeros(R, V, T * B, device=DEVICE)
        one_hot.scatter_(1, x.permute(1, 0, 2).reshape(R, 1, T * B), 1.0)
        g["U"].copy_(torch.bmm(one_hot, dz))
        g["b"].copy_(dz.sum(1))
        self.losses.index_copy_(0, self.step.view(1), loss.view(1, -1))
        self.update()

    def update(self) -> None:
        """Clip the gradients, and update weights and averages: Adam with decoupled weight decay."""
        rate = self.rates.index_select(0, self.step.view(1)).view(-1, 1)  # (R, 1)
        self.gradient *= torch.clamp(CLIP / self.gradient.norm(dim=1, keepdim=True), max=1.0)
        t = (self.step + 1).float()
        beta2 = self.of["beta2"][:, None]
        self.m.lerp_(self.gradient, 1 - BETA1)
        self.v.lerp_(self.gradient * self.gradient, 1 - beta2)
        change = self.m / (1 - BETA1**t) / ((self.v / (1 - beta2**t)).sqrt() + EPSILON)
        self.weights -= rate * change * self.factors
        self.weights *= 1 - rate * self.decayed
        for exponent, average in self.averages.items():
            average.lerp_(self.weights, (exponent + 1) / (t + exponent))
        self.step += 1

    @torch.no_grad()
    def train(self) -> None:
        """Take all steps; on a GPU as copies of one CUDA graph."""
        if not GPU:
            for _ in range(self.steps):
                self.take_step()
            return
        changed = (self.weights, self.m, self.v, *self.averages.values())
        kept = [each.clone() for each in changed]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self.take_step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.take_step()
        for each, before in zip(changed, kept, strict=True):
            each.copy_(before)
        for each in (self.h, self.c, self.step):
            each.zero_()
        for _ in range(self.steps):
            graph.replay()
        torch.cuda.synchronize()

    @torch.no_grad()
    def evaluate(self, flat: Array) -> list[float]:
        """Return the validation loss of each network with some weights: in 64 rows, each after 256 characters."""
        result = [math.nan] * self.R
        for part, ids in enumerate(self.held_out):
            chosen = [r for r in range(self.R) if self.networks[r]["part"] == part]
            length = -(-(len(ids) - CONTEXT) // ROWS)
            x, y = (np.zeros((CONTEXT + length, ROWS), np.int64) for _ in range(2))
            counted = np.zeros(x.shape, np.float32)
            for row in range(ROWS):
                start, stop = CONTEXT + row * length, min(CONTEXT + (row + 1) * length, len(ids))
                if start < stop:
                    text = ids[start - CONTEXT : stop]
                    x[: len(text) - 1, row], y[: len(text) - 1, row] = text[:-1], text[1:]
                    counted[CONTEXT - 1 : len(text) - 1, row] = 1.0
            if not chosen:
                continue
            losses = self._losses(flat[chosen], *(torch.tensor(each, device=DEVICE) for each in (x, y, counted)))
            for r, loss in zip(chosen, losses, strict=True):
                result[r] = loss
        return result

    def _losses(self, flat: Array, x: Array, y: Array, counted: Array) -> list[float]:
        (K, H, V), w = (len(flat), self.H, self.V), self.blocks(flat)
        table = (w["U"] + w["b"][:, None, :]).reshape(K * V, 4 * H)
        first = (torch.arange(K, device=DEVICE) * V)[:, None]
        h, c, ones = (torch.zeros(K, ROWS, H, device=DEVICE) for _ in range(3))
        ones += 1.0
        gates, total = torch.empty(K, ROWS, 4 * H, device=DEVICE), torch.zeros(K, dtype=torch.float64, device=DEVICE)
        for t in range(len(x)):
            x_U = table.index_select(0, (x[t][None] + first).reshape(-1)).view(K, ROWS, 4 * H)
            z, before = torch.baddbmm(x_U, h, w["W"]), c
            h, c = torch.empty_like(h), torch.empty_like(c)
            forward(z, before, ones, gates, c, h)
            log_p = torch.log_softmax(torch.baddbmm(w["output_b"][:, None, :], h, w["output_W"]), -1)
            of_targets = log_p.gather(2, y[t][None, :, None].expand(K, ROWS, 1))[..., 0]
            total -= (of_targets * counted[t]).sum(1).double()
        return (total / counted.sum().double()).tolist()


def run(text: Path, sweeps: Path) -> None:
    """Train, and print a line of JSON for each setting."""
    whole = text.read_text(encoding="utf-8")
    vocabulary = sorted(set(whole))
    number = {character: id_ for id_, character in enumerate(vocabulary)}
    ids = np.array([number[character] for character in whole[: int(len(whole) * 0.9)]], np.int64)
    for sweep in json.loads(sweeps.read_text(encoding="utf-8")):
        torch.backends.cuda.matmul.allow_tf32 = bool(sweep.get("tf32"))
        seeds, start = sweep.get("seeds", [0, 1]), time.monotonic()
        networks = [
            DEFAULTS | sweep.get("base", {}) | settings | {"seed": seed, "part": part}
            for settings in sweep["settings"]
            for seed in seeds
            for part in (0, 1)
        ]
        made = Sweep(ids[slice(*sweep.get("range", [None]))], len(vocabulary), sweep, networks)
        made.train()
        training = made.losses[-max(1, made.steps // 20) :].mean(0).tolist()
        losses = {"newest": made.evaluate(made.weights)}
        losses |= {f"average {exponent}": made.evaluate(average) for exponent, average in made.averages.items()}
        for k, settings in enumerate(sweep["settings"]):
            mine = slice(2 * len(seeds) * k, 2 * len(seeds) * (k + 1))
            line = {"sweep": sweep["name"], "settings": settings, "training": round(float(np.mean(training[mine])), 4)}
            line |= {name: round(float(np.mean(values[mine])), 4) for name, values in losses.items()}
            print(json.dumps(line), flush=True)
        print(f"{len(networks)} networks, {made.steps} steps, {time.monotonic() - start:.0f} s", file=sys.stderr)
        del made


def check() -> None:
    """Compare the gradient of the first step with that of charlstm."""
    from charlstm.base.parameters import Buffers
    from charlstm.network.config import NetworkConfig
    from charlstm.network.network import Network

    V, H, B, T = 7, 12, 3, 9
    ids = np.random.default_rng(0).integers(0, V, 4000)
    networks = [DEFAULTS | {"seed": 0, "part": part, "tar": tar} for part in (0, 1) for tar in (0.0, 5.0)]
    made = Sweep(ids, V, {"hidden": H, "rows": B, "seq_len": T, "characters": B * T * 2}, networks)
    before, found = made.weights.clone(), []
    made.update = lambda: found.append(made.gradient.clone())  # type: ignore[method-assign]
    with torch.no_grad():
        made.take_step()
    length = 3599 // B
    for r, settings in enumerate(networks):
        network = Network(NetworkConfig(hidden=H), V)
        network.parameters.flat[:] = before[r].cpu().numpy()
        text = ids[400:] if settings["part"] else ids[:3600]
        x, y = (text[k : B * length + k].reshape(B, length)[:, :T].T.astype(np.uint8) for k in (0, 1))
        gradient, share = network.parameters.like(), np.full((T, B), 1 / (T * B), np.float32)
        buffers = Buffers(np.float32)
        loss, _ = network.loss_and_gradient(
            x, y, share, network.zero_state(B), None, buffers, gradient, settings["tar"]
        )
        apart = np.abs(gradient.flat - found[0][r].cpu().numpy()).max() / np.abs(gradient.flat).max()
        print(f"part {settings['part']}, tar {settings['tar']:g}: loss {loss:.6f} and {made.losses[0, r]:.6f},", end="")
        print(f" gradients differ by {apart:.1e} of the largest")
        assert apart < 1e-5


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
    elif len(sys.argv) == 3:
        run(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        sys.exit("usage: python sweep.py TEXT SWEEPS.json, or python sweep.py --check")
