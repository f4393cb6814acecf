"""The package has the layers that ARCHITECTURE.md shows, and what the documents say about it is true."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "charlstm"
LAYERS = (
    {"base"},
    {"network", "text"},
    {"model"},
    {"sampling"},
    {"training"},
    {"inspection"},
    {"render"},
    {"api"},
    {"cli"},
    {"__init__", "__main__"},
)
LAYER_OF = {name: number for number, layer in enumerate(LAYERS) for name in layer}
MOST_NAMES = 17
MOST_PAIRS = 60
SOURCES = sorted(PACKAGE.rglob("*.py"))
every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))


def name_of(path: Path) -> str:
    """Return the top-level module or package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {node.module or ""} if node.module != "charlstm" else {f"charlstm.{a.name}" for a in node.names}
    return names


def inner_imports_of(path: Path) -> set[str]:
    """Return the other top-level modules and packages of charlstm that a file imports."""
    names = {name.split(".")[1] for name in imports_of(path) if name.startswith("charlstm.")}
    return names - {name_of(path), "__version__"}


def test_every_module_and_package_has_a_layer() -> None:
    assert {name_of(path) for path in SOURCES} == set(LAYER_OF)
    assert len(LAYER_OF) <= MOST_NAMES


@every_source
def test_imports_go_down(path: Path) -> None:
    for other in inner_imports_of(path):
        assert LAYER_OF[other] < LAYER_OF[name_of(path)], f"{name_of(path)} imports {other}"


def test_modules_and_packages_import_few_others() -> None:
    pairs = {(name_of(path), other) for path in SOURCES for other in inner_imports_of(path)}
    assert len(pairs) <= MOST_PAIRS, sorted(pairs)


@every_source
def test_only_the_command_line_prints_and_reads_the_environment(path: Path) -> None:
    if name_of(path) in ("cli", "__main__"):
        return
    source = path.read_text()
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert "print" not in used and "environ" not in source and "np.random.seed" not in source
    allowed = {
        PACKAGE / "api" / "progress.py": {"tqdm"},  # the bar of a notebook
        PACKAGE / "training" / "processes.py": {"sys"},  # a worker closes its stderr
    }
    assert not {"sys", "tqdm"} & imports_of(path) - allowed.get(path, set())


def test_only_the_declared_libraries_are_imported() -> None:
    extras = {PACKAGE / "training" / "mpi.py": {"mpi4py"}}
    used: set[str] = set()
    for path in SOURCES:
        used |= {name.split(".")[0] for name in imports_of(path)} - extras.get(path, set())
    assert used - set(sys.stdlib_module_names) == {"charlstm", "numpy", "click", "tqdm"}


@every_source
def test_every_module_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring is not None and docstring.partition("\n")[0].endswith((".", ":"))


def test_the_story_files_are_what_their_program_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "data" / "make_rooms.py", tmp_path], check=True)
    for name in ("rooms.txt", "rooms-heldout.tsv"):
        assert (tmp_path / name).read_bytes() == (ROOT / "data" / name).read_bytes()
