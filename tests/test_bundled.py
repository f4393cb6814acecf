"""The model that is part of the package: found by its name, never in the place of a file, and explained if missing."""

import configparser
import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from small import model, network

import charlstm
from charlstm.cli.main import main
from charlstm.model import bundled, checkpoint

ROOT = Path(__file__).parent.parent
PACKAGE = Path(charlstm.__file__).parent
STORIES = (ROOT / "data" / "rooms-heldout.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
SEED = "mady walks in to the room, monica also walks in to the room. mady said hi to"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the empty folder in which everything runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="charlstm")


def save(path: str | Path) -> None:
    checkpoint.save(model(network("lstm", np.float32), "abcd "), Path(path))


def test_the_commands_and_python_find_the_bundled_model() -> None:
    done = invoke("sample", "--model", "rooms", "--seed", SEED, "--temperature", 0)
    assert (done.exit_code, done.stdout) == (0, f"{SEED} monica.\n")
    assert charlstm.load("rooms").sample(SEED, temperature=0).text == " monica."
    assert invoke("inspect", "--model", "rooms", "--format", "html", "-o", "rooms.html").exit_code == 0
    assert Path("rooms.html").read_bytes().startswith(b"<!doctype html>")


def test_fine_tuning_and_comparing_find_it_too() -> None:
    Path("corpus.txt").write_text("mady walks in. henry walks in. mady said hi to henry.\n" * 50)
    words = ("train", "corpus.txt", "--init-from", "rooms", "--lines", "--steps", 1, "--workers", 1, "-m", "tuned.npz")
    done = invoke(*words)
    assert done.exit_code == 0, done.output
    assert checkpoint.load(Path("tuned.npz")).training.origin == charlstm.load("rooms").model.digest
    shown = invoke("inspect", "--score", "-m", "tuned.npz", "--compare", "rooms", "mady said hi to henry.").stdout
    assert "rooms" in shown and str(bundled.FOLDER) not in shown
    other = invoke("train", "corpus.txt", "--repeat", "rooms", "-m", "again.npz")
    assert "the text is not that of the run of" in other.output and not Path("again.npz").exists(), other.output


def test_a_file_of_that_name_is_preferred_and_a_folder_is_not() -> None:
    Path("rooms").mkdir()
    assert charlstm.load("rooms").name == "rooms" and charlstm.load("rooms").model.network.config.hidden == 192
    Path("rooms").rmdir()
    save("rooms")
    assert len(charlstm.load("rooms").model.vocabulary) == 5
    assert len(invoke("sample", "-m", "rooms", "-n", 3, "--only", "a", "--seed", "a").stdout) == 5


def test_only_the_name_alone_is_the_bundled_model() -> None:
    for path in ("./rooms", "rooms.npz", "Rooms", str(Path("rooms").absolute()), ""):
        assert bundled.locate(path) == path
        assert invoke("sample", f"--model={path}").exit_code != 0
    assert bundled.locate("rooms") == bundled.FOLDER / "rooms.npz"
    for other in (Path("rooms"), 7, None):
        assert bundled.locate(other) is other


def test_a_note_tells_the_bundled_model_from_a_file_with_its_name() -> None:
    note = "--model rooms is part of charlstm; --model rooms.npz is the file in this folder\n"
    assert note not in invoke("sample", "-m", "rooms", "-n", 1).stderr
    save("rooms.npz")
    assert note in invoke("sample", "-m", "rooms", "-n", 1).stderr
    assert note not in invoke("sample", "-m", "rooms.npz", "-n", 1).stderr


def test_without_a_model_a_command_lists_those_that_there_are() -> None:
    start = "Error: no model is chosen, and there is no charlstm.npz in this folder; choose one with --model: "
    end = "rooms (part of charlstm); or train one with charlstm train CORPUS.\n"
    for command in ("sample", "inspect"):
        assert invoke(command).stderr.endswith(f"{start}{end}")
    save("poems.npz")
    save("names.npz")
    np.savez("numbers.npz", a=np.zeros(3))
    Path("notes.npz").write_text("no model")
    Path("more.npz").mkdir()
    found = invoke("sample")
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.endswith(f"{start}names.npz, poems.npz or {end}")
    for number in range(10):
        save(f"copy{number}.npz")
    assert "copy3.npz, 8 others in the folder or rooms (part of charlstm)" in invoke("sample").stderr


def test_a_missing_model_is_answered_with_similar_names_or_all() -> None:
    assert "there is no model at rooms.npz; did you mean rooms?\n" in invoke("sample", "-m", "rooms.npz").stderr
    assert "there is no model at Rooms; did you mean rooms?\n" in invoke("sample", "-m", "Rooms").stderr
    Path("sub").mkdir()
    save("sub/novel.npz")
    missing = invoke("sample", "-m", "sub/x.npz").stderr
    assert f"choose {Path('sub/novel.npz')} or rooms (part of charlstm), or train one with charlstm train" in missing
    with pytest.raises(charlstm.CheckpointError, match=r"load rooms \(part of charlstm\), or train one with charlstm"):
        charlstm.load("x.npz")


def test_the_bundled_model_is_never_replaced() -> None:
    where = bundled.FOLDER / "rooms.npz"
    before = where.read_bytes()
    done = invoke("sample", "-m", "rooms", "-n", 1, "--format", "text", "--force", "-o", where)
    assert done.exit_code == 2 and "is an input, so it is not replaced" in done.stderr
    assert where.read_bytes() == before


def test_the_script_that_bundles_it_gives_the_same_bytes_and_refuses_other_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = importlib.util.spec_from_file_location("bundle_rooms", ROOT / "data" / "bundle_rooms.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    where = bundled.FOLDER / "rooms.npz"
    Path("few.tsv").write_text("".join(STORIES[:20]), encoding="utf-8")
    monkeypatch.setattr(script, "STORIES", Path("few.tsv"))
    script.main(where, Path("made.npz"))
    assert Path("made.npz").read_bytes() == where.read_bytes()
    given = iter([["a", "b"], ["a", "c"]])
    monkeypatch.setattr(script, "answers", lambda model: next(given))
    with pytest.raises(SystemExit, match="changes 1 of 2 answers"):
        script.main(where, Path("other.npz"))
    assert not Path("other.npz").exists()


def test_it_answers_99_of_100_held_out_stories() -> None:
    pairs = [(story, f" {name}") for story, name in (line.rstrip().split("\t") for line in STORIES)]
    assert len(pairs) > 1000 and charlstm.load("rooms").cloze(pairs).accuracy >= 0.99


def test_half_precision_stores_the_nearest_float16_numbers() -> None:
    it = model(network("gru", np.float32, layers=2), "abcde")
    checkpoint.save(it, Path("full.npz"))
    checkpoint.save(it, Path("half.npz"), checkpoint.HALF)
    read = checkpoint.load(Path("half.npz")).network.parameters
    for name, weights in it.network.parameters.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], weights.astype(np.float16))
    assert np.load("half.npz")["output/W"].dtype == np.float16
    assert Path("half.npz").stat().st_size < Path("full.npz").stat().st_size
    checkpoint.save(checkpoint.load(Path("half.npz")), Path("again.npz"), checkpoint.HALF)
    assert Path("again.npz").read_bytes() == Path("half.npz").read_bytes()


def test_a_weight_that_half_precision_cannot_hold_is_an_error() -> None:
    it = network("lstm", np.float32)
    it.parameters["output/b"][0] = 1e5
    with pytest.raises(charlstm.CharlstmError, match="beyond the range of float16"):
        checkpoint.save(model(it, "abcd "), Path("half.npz"), checkpoint.HALF)
    assert not Path("half.npz").exists()


def test_every_file_of_the_package_is_declared_so_that_a_wheel_has_it(folder: Path) -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    patterns = settings["options.package_data"]["charlstm"].split(", ")
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    declared = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    assert set(files) == declared and PACKAGE / "model" / "data" / "rooms.npz" in declared


def test_a_package_without_its_data_says_so(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(bundled, "FOLDER", folder / "nowhere")
    assert bundled.names() == [] and bundled.locate("rooms") == "rooms"
    assert invoke("sample", "-m", "rooms").stderr.endswith(
        "there is no model at rooms; train one with charlstm train CORPUS.\n"
    )
    shutil.copy(PACKAGE / "model" / "data" / "rooms.npz", folder / "rooms.npz")
    assert invoke("sample", "-m", "rooms").stderr.endswith("there is no model at rooms; did you mean rooms.npz?\n")
