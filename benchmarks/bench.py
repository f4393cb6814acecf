"""Benchmarks: charlstm's speed compared with that of its alternatives, its start-up time and its memory.

    make bench                                          installs the alternatives, prints all tables
    python benchmarks/bench.py training --rows 0 1 --rivals torch jax --kind no-avx512 --seconds 0.3 --rounds 3

Training and sampling are measured on two kinds of processor: with AVX-512, and without it. A processor with AVX-512
takes both parts: environment variables keep every library from it. Alternatives that cannot run are listed with the
reason. `install` installs them, each in an environment of its own; the variable TORCH names the torch package to use.
The parts measured replace their earlier results in the file of results.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comparisons
import costs
import environments
import processors
import shapes
from comparisons import Setting
from environments import RIVALS
from measure import Pace

RESULTS = Path(__file__).parent / "results.json"
PARTS = ("training", "sampling", "startup", "memory")
COMPARED = ("training", "sampling")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    rows, sampled = list_rows(), list_sampled()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "parts", nargs="*", default=list(PARTS), metavar="PART", help=f"{', '.join(PARTS)} (default: all), or install"
    )
    parser.add_argument("--rows", type=int, nargs="+", choices=range(len(rows)), metavar="N", help="rows of training")
    parser.add_argument(
        "--sampled", type=int, nargs="+", choices=range(len(sampled)), metavar="N", help="rows of sampling"
    )
    parser.add_argument("--list", action="store_true", help="list the rows and the alternatives")
    names = [rival.name for rival in RIVALS]
    parser.add_argument("--rivals", nargs="*", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--kind", nargs="+", choices=tuple(processors.TITLES), default=list(processors.TITLES))
    parser.add_argument("--cores", type=int, help="processes and threads at most (default: all physical cores)")
    parser.add_argument("--rounds", type=int, default=Pace().rounds, help="turns of each contestant")
    parser.add_argument("--seconds", type=float, default=Pace().seconds, help="length of a turn")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of results to update")
    return parser


def list_rows() -> tuple[shapes.Row, ...]:
    """Return the rows of training: fixed shapes, then those that the recipe chooses."""
    return shapes.ROWS + shapes.recipe_rows()


def list_sampled() -> tuple[tuple[int, int], ...]:
    """Return the rows of sampling: pairs of units and texts side by side."""
    return tuple((hidden, streams) for hidden in shapes.SAMPLED for streams in shapes.STREAMS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts named on the command line, print their tables and write the results."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - {*PARTS, "install"}:
        parser.error(f"there is no part {sorted(unknown)[0]}")
    if options.list:
        list_choices()
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if "install" in options.parts:
        environments.install(options.rivals)
        if options.parts == ["install"]:
            return
    results = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else {}
    if set(options.parts) & set(COMPARED):
        compare(options, results)
    for part, measure in (("startup", costs.startup), ("memory", costs.memory)):
        if part in options.parts:
            results[part] = measure()
            save(results, options.results)


def save(results: dict[str, Any], file: Path) -> None:
    """Write the results."""
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def compare(options: argparse.Namespace, results: dict[str, Any]) -> None:
    """Compare training and sampling with the alternatives on each kind of processor; add to the results."""
    from charlstm.training.processes import count_cores

    cores = options.cores or count_cores()
    obstacles = {rival.name: rival.find_obstacle() for rival in RIVALS if rival.name in options.rivals}
    rivals = [rival for rival in RIVALS if obstacles.get(rival.name) == ""]
    machine = {
        "processor": processors.processor_name(), "cores": cores, "python": platform.python_version(),
        "load": os.getloadavg(),
    }  # fmt: skip
    print(f"{machine['processor']}, {cores} cores, Python {machine['python']}, load {machine['load'][0]:.1f}")
    for name, obstacle in obstacles.items():
        if obstacle:
            print(f"not available: {name}: {obstacle}")
    print(f"not measured: {environments.NOT_MEASURED}")
    for kind in options.kind:
        if kind in processors.kinds_here():
            measured = compare_on(Setting(kind, cores, rivals, Pace(options.rounds, options.seconds)), options)
            results[kind] = results.get(kind, {}) | measured | {"machine": machine, "not available": obstacles}
            save(results, options.results)
        else:
            print(f"\nnot measured: {processors.TITLES[kind]}: this processor has none; its targets do not apply")


def compare_on(setting: Setting, options: argparse.Namespace) -> dict[str, Any]:
    """Compare training and sampling on one kind of processor; return the tables by part."""
    measured: dict[str, Any] = {"kernels": comparisons.report_kernels(setting)}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # the code of one kind of processor is not for the other
        if "training" in options.parts:
            rows = list_rows()
            chosen = [rows[number] for number in options.rows or range(len(rows))]
            measured["training"] = comparisons.compare_training(setting, chosen)
        if "sampling" in options.parts:
            sampled = list_sampled()
            pairs = [sampled[number] for number in options.sampled or range(len(sampled))]
            measured["sampling"] = comparisons.compare_sampling(setting, pairs)
    return measured


def list_choices() -> None:
    """Print what --rows, --sampled and --rivals choose among."""
    for number, row in enumerate(list_rows()):
        print(f"--rows {number:2}  {row.label}")
    for number, (hidden, streams) in enumerate(list_sampled()):
        print(f"--sampled {number}  {hidden} units, {streams} text{'s' * (streams > 1)}")
    for rival in RIVALS:
        print(f"--rivals {rival.name:9} {rival.find_obstacle() or 'available'}")


if __name__ == "__main__":
    main()
