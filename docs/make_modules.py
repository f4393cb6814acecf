"""Write the table of modules of ARCHITECTURE.md from the docstrings of the modules and the comments of the scripts.

python docs/make_modules.py
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "charlstm"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
PACKAGES = ("base", "network", "text", "model", "sampling", "training", "inspection", "render", "api", "cli")
SCRIPTS = "**render/assets/** The page. Each script has one purpose and imports only scripts below it."
BEGIN, END = "<!-- modules: written by `make docs` -->\n", "<!-- end of modules -->\n"


def table() -> str:
    """Return a table for each package: its modules and the first line of their docstrings."""
    parts = []
    for package in PACKAGES:
        rows = [
            f"| `{path.relative_to(PACKAGE)}` | {first_line(path)} |"
            for path in sorted((PACKAGE / package).glob("*.py"))
            if path.name != "__init__.py"
        ]
        head = f"**{package}/** {first_line(PACKAGE / package / '__init__.py')}"
        parts.append("\n".join([head, "", "| file | |", "|---|---|", *rows]))
    scripts = (PACKAGE / "render" / "assets").glob("*.js")
    rows = [f"| `{path.relative_to(PACKAGE)}` | {first_sentence(path)} |" for path in sorted(scripts)]
    parts.append("\n".join([SCRIPTS, "", "| file | |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def first_line(path: Path) -> str:
    """Return the first line of the docstring of a module."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].replace("|", r"\|")


def first_sentence(path: Path) -> str:
    """Return the first sentence of the comment at the top of a script."""
    lines = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line.startswith("// "):
            break
        lines.append(line.removeprefix("// "))
    return re.split(r"(?<=[.:]) (?=[A-Z])|:$", " ".join(lines))[0].rstrip(":").replace("|", r"\|")


def renew(text: str) -> str:
    """Return the text of ARCHITECTURE.md with the tables as they should be."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    ARCHITECTURE.write_text(renew(ARCHITECTURE.read_text(encoding="utf-8")), encoding="utf-8")
