"""The alternatives, and the environments in which they run: one folder of .venv-bench for each group of packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / ".venv-bench"
PACKAGES = {
    "torch": (os.environ.get("TORCH", "torch"), "numpy"),
    "jax": ("jax", "jaxlib", "keras", "numpy"),
    "onnx": ("onnx", "onnxruntime", "numpy"),
}
INSTALLED, FAILED = "installed", "failed.txt"
INSTALL = "not installed; run `python benchmarks/bench.py install`"
COMPILERS = ("g++", "clang++", "c++")


class Rival(NamedTuple):
    """An alternative to charlstm.

    Attributes
    ----------
    name
        Its name in the tables and on the command line.
    script
        The file that runs it.
    packages
        The environment that it needs; empty: that of charlstm.
    training, sampling
        Names of its contestants; empty if it has none.
    compilers
        Programs one of which it needs.
    threads
        False: it always uses one.
    one_text
        True: it samples one text only.
    restricted
        False: no setting keeps it from AVX-512.
    """

    name: str
    script: str
    packages: str = ""
    training: str = ""
    sampling: str = ""
    compilers: tuple[str, ...] = ()
    threads: bool = True
    one_text: bool = False
    restricted: bool = True

    @property
    def python(self) -> Path:
        """The Python that runs it."""
        return FOLDER / self.packages / "bin" / "python" if self.packages else Path(sys.executable)

    def find_obstacle(self) -> str:
        """Return why it cannot run here, or an empty string if it can."""
        if self.compilers and not any(map(shutil.which, self.compilers)):
            return f"it needs {' or '.join(self.compilers)}"
        if not self.packages or (FOLDER / self.packages / INSTALLED).exists():
            return ""
        failed = FOLDER / self.packages / FAILED
        return failed.read_text(encoding="utf-8").strip() if failed.exists() else INSTALL


TORCH, JAX = "rivals/torch_lstm.py", "rivals/jax_lstm.py"
RIVALS = (
    Rival("torch", TORCH, "torch", "training", "sampling"),
    Rival("compile", TORCH, "torch", "compiled_training", "compiled_sampling", COMPILERS),
    Rival("jax", JAX, "jax", "training", "sampling"),
    Rival("keras", "rivals/keras_lstm.py", "jax", "training", "sampling"),
    Rival("onnx", "rivals/onnx_lstm.py", "onnx", "", "sampling", restricted=False),
    Rival("plain", "contestants.py", "", "plain_training", "plain_sampling", threads=False, one_text=True),
    Rival("jax-scan", JAX, "jax", "", "scanned_sampling"),
    Rival("C", "rivals/c_lstm.py", "", "", "sampling", ("gcc",), threads=False, one_text=True),
)
LOOPS = ("jax-scan", "C")  # compiled loops, which return many characters at once
NOT_MEASURED = "Keras with TensorFlow: a package of 600 MB; Keras is measured with its JAX backend"


def install(names: list[str]) -> None:
    """Install the packages of alternatives, each group in an environment of its own, and record what fails."""
    for packages in dict.fromkeys(rival.packages for rival in RIVALS if rival.name in names and rival.packages):
        folder = FOLDER / packages
        if (folder / INSTALLED).exists():
            continue
        print(f"install {', '.join(PACKAGES[packages])} in {folder}", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True, text=True)
            pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            subprocess.run([*pip, *PACKAGES[packages]], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            folder.mkdir(parents=True, exist_ok=True)
            reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
            (folder / FAILED).write_text(f"not installed: {reason}\n", encoding="utf-8")
            print(f"  not installed: {reason}", flush=True)
        else:
            (folder / FAILED).unlink(missing_ok=True)
            (folder / INSTALLED).touch()
