"""The pages of the documentation, and the scripts that write and check them."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def module_at(path: Path) -> ModuleType:
    """Import a file that belongs to no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(name: str) -> ModuleType:
    """Import a script of docs/."""
    return module_at(DOCS / f"{name}.py")


check_pages = script("check_pages")


def list_words(page: Path, program: str = "charlstm", run: bool = False) -> Iterator[list[str]]:
    """Yield the arguments of every call of a program on a page; with `run`, only those that are run and succeed."""
    read = check_pages.read_page(page)
    for command in [*read.commands, *([] if run else read.not_run)]:
        if command.kind != "console" or (run and command.exit_code):
            continue
        source = command.source.replace("\\\n", " ")
        for part in split_shell(source.partition("\n")[0] if "<<" in source else source):
            if part and part[0] == program:
                yield part[1:]


def split_shell(line: str) -> Iterator[list[str]]:
    """Yield the simple commands of a line of shell, without variables before them and redirections after them."""
    lexer = shlex.shlex(re.sub(r"\$'(?=[^']*')", "'", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    tokens = iter(lexer)
    for token in tokens:
        if re.fullmatch(r"[|&;]+", token):
            yield words
            words = []
        elif re.fullmatch(r"[<>]+", token):
            next(tokens)
        elif words or not re.fullmatch(r"\w+=.*", token):
            words.append(token)
    yield words
