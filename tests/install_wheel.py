"""Build a wheel, install it into empty environments without a network, and use it as a new user does.

    python tests/install_wheel.py [PYTHON...]

Each Python gets the newest versions of what charlstm needs; the first one also gets the oldest that setup.cfg allows.
Without arguments these are the oldest and the newest Python, from 3.10 on, that are found. The wheels of what charlstm
needs are downloaded before the installation, which has no package index.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_BYTES = 2_000_000
VERSIONS = range(10, 20)
NOT_COPIED = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "tests", "*.npz.resume")
SEED = "mady walks in to the room, monica also walks in to the room. mady said hi to"
LOAD = f"import charlstm; print(charlstm.load('rooms').sample({SEED!r}, temperature=0).text)"


def run(*words: object, **settings: object) -> str:
    """Run a program and return what it prints; end with its messages if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **settings)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def find_pythons() -> list[str]:
    """Return the Pythons of this machine from 3.10 on, one for each version, the oldest first."""
    found = {}
    candidates = [sys.executable, *(f"python3.{minor}" for minor in VERSIONS)]
    if shutil.which("pyenv"):
        names = run("pyenv", "versions", "--bare").split()
        candidates += [f"{run('pyenv', 'prefix', name).strip()}/bin/python" for name in names]
    for candidate in candidates:
        path = shutil.which(candidate)
        code = "import sys; print(*sys.version_info[:2])"
        done = path and subprocess.run([path, "-c", code], capture_output=True, text=True)
        if path and done and not done.returncode:
            major, minor = map(int, done.stdout.split())
            if (major, minor) >= (3, min(VERSIONS)):
                found.setdefault((major, minor), path)
    return [found[version] for version in sorted(found)]


def build(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, and check what it has."""
    shutil.copytree(ROOT, folder / "source", ignore=NOT_COPIED)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, folder / "source")
    [wheel] = folder.glob("*.whl")
    size, names = wheel.stat().st_size, set(zipfile.ZipFile(wheel).namelist())
    package = [path for path in (ROOT / "charlstm").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    missing = {path.relative_to(ROOT).as_posix() for path in package} - names
    pages = [name for name in names if re.search(r"/share/man/man1/charlstm[\w-]*\.1$", name)]
    assert not missing and len(pages) == len(list((ROOT / "docs" / "man").glob("*.1"))), (missing, pages)
    assert size < MOST_BYTES, size
    print(f"{wheel.name}: {size:,} bytes, {len(names)} files")
    return wheel


def try_out(python: str, wheel: Path, requirements: list[str], folder: Path) -> None:
    """Install the wheel for a Python without a network, and use it in an empty folder."""
    wheels, environment = folder / "wheels", folder / "environment"
    download = ("-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", wheels)
    run(python, "-m", "venv", environment)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", *download, *requirements)
    install = ("-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheels, wheel, *requirements)
    run(programs / "python", *install)
    empty = folder / "empty"
    empty.mkdir()
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    settings = {"cwd": empty, "env": bare}
    charlstm = programs / "charlstm"
    answer = run(charlstm, "sample", "--model", "rooms", "--seed", SEED, "--temperature", "0", **settings)
    assert answer == f"{SEED} monica.\n", answer
    assert run(programs / "python", "-c", LOAD, **settings) == " monica.\n"
    run(charlstm, "inspect", "--model", "rooms", "--format", "html", "-o", "rooms.html", **settings)
    assert "</html>" in (empty / "rooms.html").read_text(encoding="utf-8")
    without = subprocess.run([charlstm, "sample"], capture_output=True, text=True, **settings)  # type: ignore[call-overload]
    assert without.returncode == 1 and "rooms (part of charlstm)" in without.stderr, without
    (empty / "corpus.txt").write_text("mady said hi to monica. " * 100)
    run(charlstm, "train", "corpus.txt", "--steps", "2", "--hidden", "8", "--quiet", **settings)
    run(charlstm, "sample", "--length", "5", **settings)
    assert (environment / "share" / "man" / "man1" / "charlstm-sample.1").is_file()
    versions = run(programs / "python", "-m", "pip", "freeze").replace("\n", " ")
    print(f"{run(python, '--version').strip()}: {re.sub(' @ [^ ]*', '', versions)}")


def main(pythons: list[str]) -> None:
    """Build, and try the wheel out with each Python."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    newest = settings["options"]["install_requires"].split()
    oldest = [requirement.replace(">=", "==") for requirement in newest]
    found = find_pythons()
    pythons = pythons or list(dict.fromkeys([found[0], found[-1]]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        for number, (python, requirements) in enumerate([(pythons[0], oldest), *((each, newest) for each in pythons)]):
            (folder / str(number)).mkdir()
            try_out(python, wheel, requirements, folder / str(number))


if __name__ == "__main__":
    main(sys.argv[1:])
