"""Check the model of scaling.py: train under MPI on two machines, which are namespaces of this one with a slow network.

    sudo python benchmarks/machines.py [--gigabits 1] [--latency 0.5] [--turns 40] [--real-time]

Needs Linux, the tools `ip` and `tc`, and mpi4py with MPICH. Each namespace has a network device; the kernel limits what
it sends to the bandwidth (`tbf`), and a relay delivers every packet after the latency, in milliseconds. The relay
replaces `netem`, which many kernels lack.

Measured, each the fastest of the turns, since other programs also take time: a step of one process with all rows, a
step with half of the rows, and a step of two ranks. Modelled: the time with half of the rows plus the all-reduce of
scaling.py. With --real-time no other program runs while steps are timed, for at most a second at a time.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import problem
from scaling import all_reduce_seconds

MODELS = ((128, 32), (128, 128), (256, 64), (256, 256), (512, 128))
SEQ_LEN = 64
# Namespace, which is also the name of its network device → its address; no two runs have the same names.
ADDRESSES = {f"lstm{os.getpid()}a": "10.77.0.1", f"lstm{os.getpid()}b": "10.77.0.2"}
MTU = 9000
BURST = 20_000  # bytes that the kernel sends at once
NO_SHARED_MEMORY = {
    "UCX_TLS": "tcp,self",
    "MPIR_CVAR_NOLOCAL": "1",
    "FI_PROVIDER": "tcp",
}  # both ranks run on one machine
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
LAUNCHER = """#!/bin/sh
while [ "$1" = -x ]; do shift; done
case "$1" in {cases} esac
shift
exec ip netns exec "$namespace" sh -c "$*"
"""


def run(*command: str) -> None:
    """Run a command of the system."""
    subprocess.run(command, check=True)


@contextmanager
def two_machines(bandwidth: float, latency: float) -> Iterator[None]:
    """Provide two namespaces with a network between them, of a bandwidth in bytes a second and a latency in seconds."""
    with ExitStack() as stack:
        tunnels = []
        for namespace, address in ADDRESSES.items():
            run("ip", "netns", "add", namespace)
            stack.callback(run, "ip", "netns", "delete", namespace)
            tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            stack.callback(os.close, tunnel)
            fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH", namespace.encode(), IFF_TUN | IFF_NO_PI))
            tunnels.append(tunnel)
            run("ip", "link", "set", namespace, "netns", namespace)
            inside = ("ip", "-n", namespace)
            run(*inside, "link", "set", "lo", "up")
            run(*inside, "link", "set", namespace, "mtu", str(MTU), "txqueuelen", "10000", "up")
            run(*inside, "address", "add", f"{address}/24", "dev", namespace)
            limit = f"rate {8 * bandwidth:.0f}bit burst {BURST} limit 100000000".split()
            run("tc", "-n", namespace, "qdisc", "add", "dev", namespace, "root", "tbf", *limit)
        command = [sys.executable, __file__, "relay", *map(str, tunnels), str(latency)]
        relay = subprocess.Popen(command, pass_fds=tunnels)
        stack.callback(relay.wait)
        stack.callback(relay.kill)
        yield


def deliver(one: int, other: int, latency: float) -> None:
    """Pass packets between two network devices, each after the latency, without end."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))  # no program delays the packets further
    to = {one: other, other: one}
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        timeout = max(0.0, waiting[0][0] - time.perf_counter()) if waiting else None
        for device in select.select([one, other], [], [], timeout)[0]:
            waiting.append((time.perf_counter() + latency, to[device], os.read(device, 2 * MTU)))
        while waiting and waiting[0][0] <= time.perf_counter():
            _, target, packet = waiting.popleft()
            os.write(target, packet)


def take_steps(hidden: int, batch: int, turns: int, real_time: int, mpi: int) -> None:
    """Train, alone or as a rank, and print the seconds of a step in the fastest turn."""
    from charlstm.base.config import TrainingConfig
    from charlstm.network.config import NetworkConfig
    from charlstm.network.network import Network
    from charlstm.text.batches import StreamBatches
    from charlstm.training import trainer
    from charlstm.training.team import join_world

    network = Network(NetworkConfig(hidden=hidden), problem.CHARACTERS)
    network.initialise(0)
    streams = StreamBatches(problem.make_text(SEQ_LEN, batch, problem.CHARACTERS), batch, SEQ_LEN)
    config = TrainingConfig(10**9, batch, SEQ_LEN, learning_rate=problem.LEARNING_RATE, warmup=0, decay=False)
    with join_world(mpi=bool(mpi)) as team:
        steps = trainer.train(network, streams, None, config, team)
        next(steps)
        taken = []
        for _ in range(turns):
            team.all_reduce(np.zeros(1))
            if real_time:
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
            start = time.perf_counter()
            next(steps)
            taken.append(time.perf_counter() - start)
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        if team.rank == 0:
            print(json.dumps({"seconds": min(taken), "parameters": network.parameters.flat.size}))


def measure(hidden: int, batch: int, arguments: argparse.Namespace, *launcher: str | Path) -> Any:
    """Return what `take_steps` prints in a process of its own, or in ranks that a launcher starts."""
    command = [*launcher, sys.executable, __file__, "train", hidden, batch, arguments.turns]
    command += [int(arguments.real_time), int(bool(launcher))]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", **NO_SHARED_MEMORY}
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout)


def write_launcher(folder: str) -> list[str | Path]:
    """Write a program that starts ranks in the namespaces, and return the command that starts two with it."""
    path = Path(folder, "launch")
    cases = " ".join(f"{address}) namespace={name};;" for name, address in ADDRESSES.items())
    path.write_text(LAUNCHER.format(cases=cases), encoding="utf-8")
    path.chmod(0o700)
    mpiexec = Path(sys.executable).with_name("mpiexec.hydra")
    first = next(iter(ADDRESSES))
    return [
        "ip", "netns", "exec", first, mpiexec, "-launcher", "ssh", "-launcher-exec", path,
        "-localhost", ADDRESSES[first], "-hosts", ",".join(ADDRESSES.values()), "-n", "2", "-ppn", "1",
    ]  # fmt: skip


def main() -> None:
    """Measure each model, and compare with the prediction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabits", type=float, default=1.0, help="Bandwidth, in gigabits a second.")
    parser.add_argument("--latency", type=float, default=0.5, help="Latency, in milliseconds.")
    parser.add_argument("--turns", type=int, default=40, help="Steps of which the fastest counts.")
    parser.add_argument("--real-time", action="store_true", help="Let nothing else run while a step is timed.")
    arguments = parser.parse_args()
    bandwidth, latency = arguments.gigabits * 125e6, arguments.latency / 1000
    print(f"two machines, {arguments.gigabits:g} Gbit/s, {arguments.latency:g} ms; milliseconds of a step")
    print("hidden batch  parameters  1 machine  half of the rows  all-reduce  predicted  measured  ratio")
    with tempfile.TemporaryDirectory() as folder, two_machines(bandwidth, latency):
        launcher = write_launcher(folder)
        for hidden, batch in MODELS:
            alone, half = (measure(hidden, rows, arguments) for rows in (batch, batch // 2))
            both = measure(hidden, batch, arguments, *launcher)
            exchange = all_reduce_seconds(alone["parameters"], 2, bandwidth, latency)
            predicted = half["seconds"] + exchange
            print(
                f"{hidden:6} {batch:5} {alone['parameters']:11,} {alone['seconds'] * 1e3:10.1f}"
                f" {half['seconds'] * 1e3:17.1f} {exchange * 1e3:11.1f} {predicted * 1e3:10.1f}"
                f" {both['seconds'] * 1e3:9.1f} {both['seconds'] / predicted:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["relay"]:
        deliver(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    elif sys.argv[1:2] == ["train"]:
        take_steps(*map(int, sys.argv[2:]))
    else:
        main()
