"""What every view looks like on a terminal, at three widths, with colour and without: the files in tests/golden.

`python tests/golden.py` writes them again. Then look at the changes: `git diff tests/golden`, in colour `less -R`.
"""

from pathlib import Path

from every_view import build_every_view, by_formula

from charlstm.render.terminal import render

FOLDER = Path(__file__).parent / "golden"
WIDTHS = (60, 80, 120)
COLOURS = {"": 0, "-256-colours": 256}
MORE_COLOURS = {"-8-colours": 8, "-all-colours": 1 << 24}
TEXT = "mady is in.\nanna has seen her, and she said: hi"


def draw_all(shift=0.0):
    """Every view as a terminal shows it: name of its file → text; `shift` is a relative change of the weights."""
    characters = "".join(sorted(set(TEXT)))
    models = [by_formula(kind, characters) for kind in ("lstm", "rnn")]
    for it in models:
        it.network.parameters.flat[:] *= 1.0 + shift
    files = {}
    for name, view in build_every_view(*models, TEXT).items():
        for width in WIDTHS:
            for ending, colours in (COLOURS | (MORE_COLOURS if (name, width) == ("cell", 80) else {})).items():
                files[f"{name.replace(', ', '-').replace(' ', '-')}-{width}{ending}.txt"] = render(
                    view, width, colours, dots=bool(colours)
                )
    return files


def main():
    """Write the files, and remove those of views that no longer exist."""
    FOLDER.mkdir(exist_ok=True)
    files = draw_all()
    for path in FOLDER.glob("*.txt"):
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
