"""Print every text that a user can see, from the code: help, messages, errors, headings, the page.

python docs/list_sentences.py [FOLDER OR FILE ...]

A line is `file:line: text`. Placeholders of f-strings are printed as {…}. Docstrings of commands are printed, other
docstrings are not. A string without a space is a name, not a sentence, and is skipped.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "charlstm"
MARKUP = re.compile(r">\s*([^<>{}]*[A-Za-z][^<>{}]*?)\s*<|(?:title|aria-label|placeholder)=\"([^\"]+)\"")
SCRIPT = re.compile(r"`([^`\n]* [^`\n]*)`|\"([^\"\n]* [^\"\n]*)\"")


def sentences_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a file that a user can see, each with its line."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from python_sentences(ast.parse(source))
        return
    for number, line in enumerate(source.splitlines(), 1):
        for found in (MARKUP if path.suffix == ".html" else SCRIPT).finditer(line):
            text = next(group for group in found.groups() if group)
            if re.search(r"[a-z]{2}", text):
                yield number, text


def python_sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module that are not docstrings, and the docstrings of its commands."""
    hidden: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            if not any("click" in ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])):
                hidden.update(ast.walk(docstring))
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.JoinedStr):
            hidden.update(child for child in ast.walk(node) if child is not node)
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if " " in text.strip() and re.search(r"[A-Za-z]{2}", text.replace("{…}", "")):
            yield node.lineno, text


def main(places: list[str]) -> None:
    """Print the sentences of some files and folders; of the whole package by default."""
    for place in map(Path, places or [str(PACKAGE)]):
        paths = [place] if place.is_file() else sorted(place.rglob("*"))
        for path in paths:
            if path.suffix in {".py", ".html", ".js"}:
                for line, text in sorted(sentences_of(path)):
                    print(f"{path.resolve().relative_to(PACKAGE.parent.resolve())}:{line}: {' '.join(text.split())}")


if __name__ == "__main__":
    main(sys.argv[1:])
