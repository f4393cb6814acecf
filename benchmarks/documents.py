"""What models of documents write: poems that end with their title, and tunes that end whole.

    python benchmarks/documents.py [--epochs N] [--samples N] [--poems N] [--tunes N]
        [--hidden N] [--tar X] [--dropout P] [--weight-dropout P] [--clip X]

Two corpora are made in a temporary folder, and a model with the automatic settings learns each: the poems of
data/make_rondels.py, with the labels of their files, and the tunes of tests/make_tunes.py. Samples at two temperatures
are checked by data/check_rondels.py and tests/check_tunes.py. At last each title of the validation set and a header
with each key are continued.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parent.parent / "data"))
sys.path.append(str(Path(__file__).parent.parent / "tests"))

from check_rondels import check_poem
from check_tunes import read_tune, share_in_key
from make_rondels import build_files
from make_tunes import build_tunes

import charlstm

TEMPERATURES = (0.8, 1.0)
KEYS = "CGDAF"
SETTINGS: dict[str, type] = {"hidden": int, "tar": float, "dropout": float, "weight_dropout": float, "clip": float}


def main() -> None:
    """Make the corpora, train, sample, and print a table for each corpus."""
    parser = argparse.ArgumentParser(description="What models of documents write.")
    parser.add_argument("--epochs", type=float, default=18)
    for name, kind in SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="automatic without it")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--poems", type=int, default=600, help="poems of each mood")
    parser.add_argument("--tunes", type=int, default=2000)
    given = parser.parse_args()
    settings = {name: getattr(given, name) for name in SETTINGS} | {"epochs": given.epochs}
    with tempfile.TemporaryDirectory() as folder:
        write_about_poems(Path(folder), settings, given.samples, given.poems)
        write_about_tunes(Path(folder), settings, given.samples, given.tunes)


def write_about_poems(folder: Path, settings: dict[str, Any], samples: int, poems: int) -> None:
    """Train on poems with labels, and print how many samples keep the form."""
    for name, text in build_files(0, poems).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    model = charlstm.train(
        folder / "rondels",
        documents="blank-line",
        label="file",
        val=folder / "rondels-validation",
        model=folder / "rondels.npz",
        **settings,
    )
    print_loss(model)
    print(f"{'poems':32}{'ends with title':>16}{'well formed':>16}{'keeps rhyme':>16}")
    titles = (folder / "rondels-titles.txt").read_text(encoding="utf-8").splitlines()
    sets = {f"{samples:,} at temperature {t:g}": ([""], samples, t) for t in TEMPERATURES}
    sets[f"{len(titles)} titles of the validation set"] = (titles, 1, TEMPERATURES[0])
    for name, (seeds, count, temperature) in sets.items():
        made = model.samples(seeds, count=count, temperature=temperature, random_seed=0)
        verdicts = [check_poem(str(sample), sample.label) for sample in made]
        shares = [sum(verdict[k] for verdict in verdicts) / len(verdicts) for k in range(3)]
        print(f"{name:32}" + "".join(f"{share:>16.1%}" for share in shares))


def write_about_tunes(folder: Path, settings: dict[str, Any], samples: int, tunes: int) -> None:
    """Train on tunes, and print how many samples are whole, and how many of their notes are in their key."""
    corpus = build_tunes(tunes)
    (folder / "tunes.abc").write_text(corpus, encoding="utf-8")
    model = charlstm.train(folder / "tunes.abc", documents="blank-line", model=folder / "tunes.npz", **settings)
    print()
    print_loss(model)
    print(f"{'tunes':32}{'ordered header':>16}{'ends whole':>16}{'full bars':>16}{'notes in key':>16}")
    print(f"{'the corpus':32}" + describe([read_tune(tune) for tune in corpus.strip().split("\n\n")]))
    sets = {f"{samples:,} at temperature {t:g}": ([""], samples, t) for t in TEMPERATURES}
    sets |= {f"in the key of {key}": ([f"X:1\nT:New\nK:{key}\n"], samples // len(KEYS), 1.0) for key in KEYS}
    for name, (seeds, count, temperature) in sets.items():
        made = model.samples(seeds, count=count, temperature=temperature, random_seed=0)
        print(f"{name:32}" + describe([read_tune(str(sample)) for sample in made]))


def print_loss(model: charlstm.LanguageModel) -> None:
    """Print the lowest validation loss of a run, in bits per character."""
    print(f"validation loss: {np.nanmin(model.model.history.validation_loss) / np.log(2.0):.4f} bits per character")


def describe(tunes: list) -> str:
    """Return the shares of tunes with a header in order, a whole end and full bars, and of notes in their key."""
    shares = [sum(getattr(tune, name) for tune in tunes) / len(tunes) for name in ("header", "whole", "bars_add_up")]
    return "".join(f"{share:>16.1%}" for share in (*shares, share_in_key(tunes)))


if __name__ == "__main__":
    main()
