"""Every benchmark runs, for a moment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
# Each contestant but those of torch, which is not installed with the tests; one of charlstm takes its place.
BENCH = """
import bench
bench.ROWS, bench.SAMPLED, bench.STREAMS = ((4, 1, 4, 4, 1.0, 1.8),), ((4, 3.0),), (1, 2)
bench.ROUNDS, bench.SECONDS, bench.STARTS, bench.MEGABYTES, bench.LENGTHS = 1, 0.004, 1, (1,), (1, 2)
measure = bench.measure_in_turn
def without_torch(contestants):
    ours = {}
    for label, (name, settings) in contestants.items():
        if name == "torch_sampling":
            settings.pop("processes")
        ours[label] = (name.replace("torch", "charlstm"), settings)
    return measure(ours)
bench.measure_in_turn = without_torch
bench.CHARLSTM = [bench.sys.executable, "-m", "charlstm"]
"""
SCALING = """
import bench, scaling
bench.ROUNDS, bench.SECONDS, scaling.MODELS, scaling.MACHINES, scaling.SEQ_LEN = 1, 0.004, ((4, 4),), (1, 2), 4
scaling.main()
"""
PLAIN = """
import plain
network = plain.Network(5, 3)
network.learn([0, 1, 2], [1, 2, 3])
network.sample(3)
"""


def run(*arguments: str, cwd: Path) -> str:
    """Run Python in the folder of the benchmarks' results and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{BENCHMARKS}"}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def script(name: str, *arguments: str, cwd: Path) -> str:
    return run(str(BENCHMARKS / f"{name}.py"), *arguments, cwd=cwd)


def test_each_script_is_tried_here() -> None:
    tried = "bench chance contestants documents inspecting novelty page pairs parts plain reading scaling sets startup"
    assert {path.stem for path in BENCHMARKS.glob("*.py")} == set(tried.split())


@pytest.mark.parametrize("part", ["training(1)", "training(2)", "sampling(1)", "startup()", "memory()"])
def test_bench(part: str, tmp_path: Path) -> None:
    assert run("-c", f"{BENCH}\nassert bench.{part}", cwd=tmp_path)


def test_inspecting(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat sat on the mat.\n" * 200)
    assert "units" in script("inspecting", "text.txt", "4", "1", cwd=tmp_path)


def test_novelty(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat sat on the mat.\n" * 20)
    assert "200 characters against" in script("novelty", "text.txt", "200", "1", cwd=tmp_path)


def test_page(tmp_path: Path) -> None:
    pytest.importorskip("playwright")
    if not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        pytest.skip("there is no browser")
    assert "4 × 60" in script("page", "4", "60", cwd=tmp_path)


def test_pairs(tmp_path: Path) -> None:
    code = "import pairs; pairs.ROWS = ((4, 1, 4, 4, 1.0, 1.8),); pairs.main()"
    options = ("--processes", "1", "--pairs", "2", "--seconds", "0.004")
    assert "geometric mean" in run("-c", code, str(ROOT), *options, cwd=tmp_path)


@pytest.mark.parametrize("shape", [("4", "1", "4", "2"), ("4", "2", "4", "2")])
def test_parts(shape: tuple[str, ...], tmp_path: Path) -> None:
    assert "a step" in script("parts", *shape, cwd=tmp_path)


def test_plain_and_scaling(tmp_path: Path) -> None:
    run("-c", PLAIN, cwd=tmp_path)
    assert "100 Gbit/s" in run("-c", SCALING, cwd=tmp_path)


def test_reading(tmp_path: Path) -> None:
    assert "a million in" in script("reading", "4", "2", "90", cwd=tmp_path)


def test_startup(tmp_path: Path) -> None:
    assert "charlstm sample -n 1" in script("startup", "1", cwd=tmp_path)


def test_sets(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("anna\nbob\notto\n" * 20)
    options = ("--lines", "--steps", "20", "--hidden", "4", "--workers", "1", "-m", "m.npz", "--quiet")
    run("-m", "charlstm", "train", "names.txt", *options, cwd=tmp_path)
    assert "distinct, max_copied 8" in script("sets", "m.npz", "names.txt", "5", "1", cwd=tmp_path)


def test_chance(tmp_path: Path) -> None:
    code = "import chance; chance.STEPS, chance.UNITS = 1, 4; chance.main(2, [1])"
    assert "an LSTM of lines" in run("-c", code, cwd=tmp_path)
    assert "without the remark" in run("-c", "import chance; chance.measure_slow(1, [1])", cwd=tmp_path)


def test_documents(tmp_path: Path) -> None:
    sizes = ["--epochs", "1", "--hidden", "16", "--samples", "10", "--poems", "8", "--tunes", "40"]
    printed = script("documents", *sizes, cwd=tmp_path)
    assert "ends with title" in printed and printed.count("in the key of") == 5
