"""Every benchmark runs, for a moment."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
# Short runs of the tables; no alternative is installed with the tests, but for the plain loop, and the one in C.
BENCH = """
import bench, costs, environments, shapes
environments.FOLDER = bench.Path("no alternative is installed")
shapes.ROWS, shapes.SAMPLED, shapes.STREAMS = (shapes.Row(4, 1, 4, 4),), (4,), (1, 2)
costs.STARTS, costs.MEGABYTES, costs.LENGTHS = 1, (1,), (1, 2)
costs.ROWS, costs.CHARLSTM = shapes.ROWS, [costs.sys.executable, "-m", "charlstm"]
"""
SHORT = ["--rounds", "1", "--seconds", "0.004", "--results", "results.json"]
SCALING = """
import measure, scaling
scaling.PACE, scaling.MODELS, scaling.MACHINES, scaling.SEQ_LEN = measure.Pace(1, 0.004), ((4, 4),), (1, 2), 4
scaling.main()
"""
GROWTH = """
import growth, measure
growth.PACE, growth.SHAPE = measure.Pace(1, 0.004), {**growth.SHAPE, "hidden": 4, "seq_len": 4, "batch": 4}
growth.TRAINING, growth.SAMPLING = {"characters": (5, 300)}, {"characters": (27, 300), "streams": (1, 3)}
growth.LENGTHS, growth.SIZES, growth.READINGS, growth.DOCUMENTS = (1, 20), (1, 2), 1, 100
growth.main([])
"""
MACHINES = """
import machines, sys
machines.MODELS, machines.SEQ_LEN = ((4, 4),), 4
sys.argv[1:] = ["--turns", "2", "--latency", "20"]
machines.main()
"""
CAN_MAKE_NETWORKS = sys.platform == "linux" and os.geteuid() == 0 and os.access("/dev/net/tun", os.W_OK)
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


def bench(*options: str, cwd: Path) -> str:
    return run("-c", f"{BENCH}\nbench.main({[*options, *SHORT]})", cwd=cwd)


def without_avx512(row: str, *, rivals: list[str], cwd: Path, cores: int = 2) -> str:
    """Measure one row as a processor without AVX-512."""
    options = [*row.split(), "--rivals", *rivals, "--kind", "no-avx512", "--cores", str(cores)]
    return bench(*options, cwd=cwd)


def test_each_script_is_tried_here() -> None:
    scripts = (
        "bench cache chance compressors contestants documents growth inspecting machines ngrams novelty page pairs"
    )
    more = "parts plain reading rows scaling sets startup sweep variants"
    modules = "comparisons costs environments measure problem processors serving shapes tables"
    assert {path.stem for path in BENCHMARKS.glob("*.py")} == {*scripts.split(), *more.split(), *modules.split()}


def test_the_modules_keep_their_examples(tmp_path: Path) -> None:
    code = "import doctest, compressors, measure, problem, processors, tables\n"
    code += "print(sum(doctest.testmod(m).failed for m in (compressors, measure, problem, processors, tables)))"
    assert run("-c", code, cwd=tmp_path).strip() == "0"


@pytest.mark.parametrize("cores", [1, 2])
def test_training(cores: int, tmp_path: Path) -> None:
    printed = without_avx512("training --rows 0", rivals=["plain", "torch"], cwd=tmp_path, cores=cores)
    assert "not available: torch: not installed" in printed
    assert printed.count("geometric mean of all rows (1): ") == cores
    (one, *_) = read_results(tmp_path)["training"]
    assert one["row"] == "4 × 1 4 × 4"
    assert one["ratio"] == pytest.approx(one["speeds"]["charlstm"] / max(list(one["speeds"].values())[1:]))
    assert one["cores"] == cores


def test_a_processor_without_avx512_has_no_figures_for_it(tmp_path: Path) -> None:
    code = f"{BENCH}\nimport processors; processors.has_avx512 = lambda: False\n"
    options = ["training", "--rows", "0", "--rivals", "--kind", "avx512", *SHORT]
    assert "not measured: with AVX-512" in run("-c", f"{code}bench.main({options})", cwd=tmp_path)
    assert not (tmp_path / "results.json").exists()


def test_a_part_keeps_the_results_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"memory": [1], "no-avx512": {"training": [2]}}')
    without_avx512("sampling --sampled 0", rivals=[], cwd=tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["memory"], results["no-avx512"]["training"]) == ([1], [2])


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")
def test_sampling_and_the_loop_in_c_that_computes_the_same_logits(tmp_path: Path) -> None:
    printed = without_avx512("sampling --sampled 0 1", rivals=["plain", "C"], cwd=tmp_path)
    assert "left out" not in printed  # the logits agree
    one, two = read_results(tmp_path)["sampling"]
    assert one["ratio_to_C"] == pytest.approx(one["speeds"]["charlstm"] / one["speeds"]["C"])
    assert two["speeds"]["C"] is None


def read_results(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_text())["no-avx512"]


@pytest.mark.parametrize("part", ["startup", "memory"])
def test_costs(part: str, tmp_path: Path) -> None:
    bench(part, cwd=tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())[part]


@pytest.mark.parametrize("options", [["--kind", "none"], ["--rows", "99"], ["--rivals", "none"], ["speed"]])
def test_unknown_choices(options: list[str], tmp_path: Path) -> None:
    code = f"import bench\ntry: bench.main({options})\nexcept SystemExit as error: print(error.code)"
    assert run("-c", code, cwd=tmp_path).strip() == "2"


def test_tables_fit_a_terminal(tmp_path: Path) -> None:
    code = """
import comparisons, environments, shapes
comparisons.measure_in_turn = lambda launches, *_: {label: comparisons.Outcome(0.01, 0.01, 0.01) for label in launches}
setting = comparisons.Setting("no-avx512", 2, environments.RIVALS, None)
comparisons.compare_training(setting, [shapes.Row(512, 2, 64, 64, "300 kB")])
comparisons.compare_sampling(setting, [(512, 1)])
"""
    lines = run("-c", code, cwd=tmp_path).splitlines()
    assert max(map(len, lines)) <= 120


def test_list(tmp_path: Path) -> None:
    printed = script("bench", "--list", cwd=tmp_path)
    assert all(word in printed for word in ("512 × 2   64 ×  64", "1 MB", "names", "--sampled 8", "--rivals C"))


def test_recipe_rows_are_what_the_recipe_chooses(tmp_path: Path) -> None:
    code = (
        "import shapes, charlstm.training.recipe as recipe; recipe.SEQ_LEN = 48; print(shapes.recipe_rows()[0].seq_len)"
    )
    assert run("-c", code, cwd=tmp_path).strip() == "48"


def test_a_restricted_process_uses_no_avx512(tmp_path: Path) -> None:
    code = "from comparisons import *; report_kernels(Setting('no-avx512', 1, [], Pace()))"
    assert "AVX-512 off" in run("-c", code, cwd=tmp_path)


def test_the_environment_of_a_process_has_only_its_own_restrictions(tmp_path: Path) -> None:
    code = """
import processors
for here in (True, False):
    processors.has_avx512 = lambda: here
    for kind in processors.kinds_here():
        found = processors.environment(kind, 2, {"OPENBLAS_CORETYPE": "Prescott", "A": "b"})
        print(kind, found.get("OPENBLAS_CORETYPE"), found["A"], found["NPROC"])
"""
    assert run("-c", code, cwd=tmp_path).splitlines() == [
        "avx512 None b 2",
        "no-avx512 Haswell b 2",
        "no-avx512 None b 2",  # the processor has none: there is nothing to keep a library from
    ]


def test_an_alternative_that_computes_something_else_is_left_out(tmp_path: Path) -> None:
    code = """
from measure import Launch, Pace, measure_in_turn
shape = {"hidden": 4, "layers": 1, "seq_len": 4, "batch": 4, "processes": 1}
launches = {str(layers): Launch("charlstm_training", {**shape, "layers": layers}) for layers in (1, 2)}
launches["wrong"] = Launch("charlstm_training", {**shape, "hidden": -1})
for outcome in measure_in_turn(launches, Pace(1, 0.001), 1e-6).values():
    print(outcome.seconds is None, outcome.problem)
"""
    first, second, third = run("-c", code, cwd=tmp_path).splitlines()
    assert first.startswith("False")
    assert second.startswith("True it differs from charlstm by ")
    assert third.startswith("True it ended with exit code 1: ") and "Error" in third


def test_packages_that_cannot_be_installed_are_reported(tmp_path: Path) -> None:
    code = """
import environments
from pathlib import Path
environments.FOLDER = Path("here")
def fail(*arguments, **options):
    raise environments.subprocess.CalledProcessError(1, "pip", stderr="WARNING: hm\\nERROR: no wheel\\n")
environments.subprocess.run = fail
environments.install(["torch"])
print(next(rival for rival in environments.RIVALS if rival.name == "torch").find_obstacle())
"""
    assert run("-c", code, cwd=tmp_path).splitlines()[-1] == "not installed: ERROR: no wheel"


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


@pytest.mark.parametrize("what", [("--processes", "1"), ("--sampling",)])
def test_pairs(what: tuple[str, ...], tmp_path: Path) -> None:
    code = """
import pairs, shapes
pairs.ROWS, pairs.SAMPLED, pairs.STREAMS = (shapes.Row(4, 1, 4, 4),), (4,), (1, 2)
pairs.main()
"""
    options = (*what, "--pairs", "2", "--seconds", "0.004")
    assert "geometric mean" in run("-c", code, str(ROOT), *options, cwd=tmp_path)


def test_rows(tmp_path: Path) -> None:
    options = ("--rounds", "1", "--seconds", "0.0001", "--hidden", "4", "--rows", "1", "30")
    assert "chosen" in script("rows", *options, cwd=tmp_path)


@pytest.mark.parametrize("shape", [("4", "1", "4", "2"), ("4", "2", "4", "2")])
def test_parts(shape: tuple[str, ...], tmp_path: Path) -> None:
    assert "a step" in script("parts", *shape, cwd=tmp_path)


def test_plain_and_scaling(tmp_path: Path) -> None:
    run("-c", PLAIN, cwd=tmp_path)
    assert "100 Gbit/s" in run("-c", SCALING, cwd=tmp_path)


def test_growth(tmp_path: Path) -> None:
    tables = run("-c", GROWTH, cwd=tmp_path).strip().split("\n\n")
    heads = [table.split()[0] for table in tables]
    assert heads[:4] == ["Training;", "characters", "Sampling;", "characters"]
    assert [len(table.splitlines()) for table in tables] == [1, 3, 1, 3, 3, 1, 3, 1, 3]
    assert "inf" not in "".join(tables)


@pytest.mark.skipif(
    not CAN_MAKE_NETWORKS or shutil.which("tc") is None or not Path(sys.executable).with_name("mpiexec.hydra").exists(),
    reason="namespaces of a network need Linux, its administrator, ip and tc; ranks in them need MPICH",
)
def test_two_ranks_wait_for_the_network_between_their_machines(tmp_path: Path) -> None:
    *_, measured, _ = run("-c", MACHINES, cwd=tmp_path).splitlines()[-1].split()
    assert float(measured) >= 2 * 20  # the latency, there and back


def test_reading(tmp_path: Path) -> None:
    assert "a million in" in script("reading", "4", "2", "90", cwd=tmp_path)


def test_startup(tmp_path: Path) -> None:
    assert "charlstm sample -n 1" in script("startup", "1", cwd=tmp_path)


def test_sets(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("anna\nbob\notto\n" * 20)
    options = ("--lines", "--steps", "20", "--hidden", "4", "--workers", "1", "-m", "m.npz", "--quiet")
    run("-m", "charlstm", "train", "names.txt", *options, cwd=tmp_path)
    assert "distinct, max_copied 8" in script("sets", "m.npz", "names.txt", "5", "1", cwd=tmp_path)


def test_the_sweeps_name_settings_that_there_are_and_each_has_a_result() -> None:
    """The script itself needs PyTorch: `python benchmarks/sweep.py --check` compares its gradient."""
    tree = ast.parse((BENCHMARKS / "sweep.py").read_text())
    (known,) = (node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.target.id == "DEFAULTS")
    names, sweeps = set(ast.literal_eval(known)), json.loads((BENCHMARKS / "sweeps.json").read_text())
    lines = (BENCHMARKS / "sweeps-results.jsonl").read_text().splitlines()
    results = [(line["sweep"], line["settings"]) for line in map(json.loads, lines)]
    assert results and all(settings.keys() <= names for _, settings in results)
    assert all(sweep["base"].keys() <= names for sweep in sweeps)
    for sweep in sweeps:
        assert [settings for name, settings in results if name == sweep["name"]] == sweep["settings"]


def test_chance(tmp_path: Path) -> None:
    code = "import chance; chance.STEPS, chance.UNITS = 1, 4; chance.main(2, [1])"
    assert "an LSTM of lines" in run("-c", code, cwd=tmp_path)
    assert "without the remark" in run("-c", "import chance; chance.measure_slow(1, [1])", cwd=tmp_path)


def test_documents(tmp_path: Path) -> None:
    sizes = ["--epochs", "1", "--hidden", "16", "--samples", "10", "--poems", "8", "--tunes", "40"]
    printed = script("documents", *sizes, cwd=tmp_path)
    assert "ends with title" in printed and printed.count("in the key of") == 5


def test_compressors(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("".join(f"{n} and {n * n}\n" for n in range(400)))
    train = ["-m", "charlstm", "train", "text.txt", "-m", "m.npz", "--hidden", "4", "--steps", "2", "--quiet"]
    run(*train, cwd=tmp_path)
    code = "import compressors\ncompressors.PROGRAMS['none'] = ['no such program']\n"
    code += "compressors.main(['text.txt', 'm.npz', '--held-out', '300'])"
    lines = run("-c", code, cwd=tmp_path).splitlines()
    assert "before 300 held-out ones" in lines[0]
    assert [line.split("  ")[0] for line in lines[1:4]] == ["zpaq -m5", "7zz PPMd, order 6", "none"]
    assert "absent: not installed" in lines[3]
    assert len({float(line[24:33]) for line in lines[4:]}) == 3 and all(float(line[24:33]) > 0.0 for line in lines[4:])
    lines = script("cache", "text.txt", "m.npz", "--held-out", "300", cwd=tmp_path).splitlines()
    losses = [[float(word) for word in line.split()[2:]] for line in lines[2:]]
    assert len(losses) == 6 and all(len(row) == 6 for row in losses)
    assert losses[0][0] == losses[2][0] != losses[3][0] and losses[2][1] != losses[2][0]
