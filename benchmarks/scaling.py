"""How training scales to many machines: measured on this one, modelled for more.

    python benchmarks/scaling.py

Measured: characters per second with one process and with one per core, by the clock, in the fastest of the turns; and
the time of a step with fewer and fewer rows, in CPU time, which leaves out other programs. Modelled: N machines with
one process each share a batch of B rows. A step takes the time of B/N rows plus that of a ring all-reduce of the
gradient, P floats: 2·(N−1)/N · 4·P bytes at the bandwidth, and 2·(N−1) latencies. machines.py checks the model.
"""

from __future__ import annotations

import math

from measure import Launch, Outcome, Pace, measure_in_turn

from charlstm.base.parameters import total_size
from charlstm.network.config import NetworkConfig
from charlstm.network.weights import weight_shapes
from charlstm.training.processes import count_cores

CHARACTERS = 65
SEQ_LEN = 64
MODELS = ((128, 32), (128, 128), (256, 64), (256, 256), (512, 128), (512, 512))
MACHINES = (1, 2, 4, 8, 16, 32)
NETWORKS = {"1 Gbit/s": (125e6, 100e-6), "10 Gbit/s": (1.25e9, 50e-6), "100 Gbit/s": (12.5e9, 5e-6)}
PACE = Pace(5, 0.4)
WORTH = 1.2  # doubling the machines pays if it speeds a step up at least by this factor


def all_reduce_seconds(parameters: int, machines: int, bandwidth: float, latency: float) -> float:
    """Return the seconds of a ring all-reduce of the gradient."""
    return 2 * (machines - 1) / machines * 4 * parameters / bandwidth + 2 * (machines - 1) * latency


def measure_training(settings: dict[str, dict[str, int]]) -> dict[str, Outcome]:
    """Measure a training step with each of some settings."""
    return measure_in_turn({label: Launch("charlstm_training", values) for label, values in settings.items()}, PACE)


def main() -> None:
    """Measure, model and print the table."""
    print(f"seq-len {SEQ_LEN}, {CHARACTERS} distinct characters; characters per second, and speed-up over one process")
    print("hidden batch  parameters  1 process  " + f"{count_cores()} processes here        network   " + " machines")
    print(" " * 62 + "".join(f"{machines:9}" for machines in MACHINES[1:]) + "   pays up to")
    for hidden, batch in MODELS:
        parameters = total_size(weight_shapes(NetworkConfig(hidden=hidden), CHARACTERS))
        shape = {"hidden": hidden, "layers": 1, "seq_len": SEQ_LEN}
        steps = measure_training(
            {str(machines): {**shape, "batch": batch // machines, "processes": 1} for machines in MACHINES}
        )
        seconds = {machines: step.cpu or math.nan for machines, step in steps.items()}
        turns = measure_training(
            {
                "1": {**shape, "batch": batch, "processes": 1},
                "all": {**shape, "batch": batch, "processes": count_cores()},
            }
        )
        here = {processes: step.fastest or math.nan for processes, step in turns.items()}
        start = (
            f"{hidden:6} {batch:5} {parameters:11,} {SEQ_LEN * batch / here['1']:10,.0f}"
            f" {SEQ_LEN * batch / here['all']:10,.0f}, {here['1'] / here['all']:4.2f} ×"
        )
        for network, (bandwidth, latency) in NETWORKS.items():
            times = [
                seconds["1"] / (seconds[str(machines)] + all_reduce_seconds(parameters, machines, bandwidth, latency))
                for machines in MACHINES
            ]
            pays = 1
            for machines, before, after in zip(MACHINES[1:], times[:-1], times[1:], strict=True):
                if after < WORTH * before:
                    break
                pays = machines
            print(f"{start:48}{network:>14}" + "".join(f"{faster:9.2f}" for faster in times[1:]) + f"{pays:10}")
            start = ""


if __name__ == "__main__":
    main()
