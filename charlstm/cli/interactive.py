"""`charlstm sample --interactive`: a person and a model write in turns, in the terminal or through a pipe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import click

from charlstm.cli.console import WrongUsage, as_sentence, columns, dimmed, known_only, noted, remark, say, tell
from charlstm.cli.keyboard import kept_on_screen, typed_lines
from charlstm.cli.settings import Manner, Settings
from charlstm.errors import CharlstmError
from charlstm.render.characters import padded, safe
from charlstm.render.passage import Passage
from charlstm.sampling.sampler import Shown
from charlstm.sampling.session import Session

COMMAND = "/"
SUGGESTIONS = 5
TAIL = 40
GUIDE = """\
What you type is continued right where you stop: nothing is put between, no space and no newline. The next line goes on
after that. An empty line goes on writing. A line that ends with \\ has a newline there and goes on in the next one. A
text that begins with / is typed with //. Ctrl-C stops the writing and keeps what was shown. Ctrl-D leaves, and so does
Ctrl-C twice at an empty prompt."""


class Command(NamedTuple):
    """What a line that begins with a slash can ask for."""

    takes: str
    help: str
    act: Callable[[str], object]


class Conversation:
    """One session at a prompt.

    Parameters
    ----------
    session
        The text, and how it goes on.
    settings
        What can be set by name.
    passage
        Makes what shows one continuation.
    """

    def __init__(self, session: Session, settings: Settings, passage: Callable[[Manner], Passage]) -> None:
        self._session = session
        self._settings = settings
        self._passage = passage
        self._stopped: list[int] = []
        self.commands = {
            "again": Command("", "Another continuation of the same text.", self._again),
            "undo": Command("", "Take back the last change of the text.", self._undo),
            "reset": Command("", "Begin a new text.", self._reset),
            "text": Command("", "Show the whole text.", self._text),
            "add": Command("TEXT", "Add a text and write nothing.", self._add),
            "suggest": Command("[N]", f"Show N short continuations, {SUGGESTIONS} without a number.", self._suggest),
            "pick": Command("N", "Continue with suggestion N; the number alone does too.", self._pick),
            "save": Command("FILE", "Save text, state and settings; /save! replaces a file.", self._save),
            "save!": Command("FILE", "", lambda name: self._save(name, replace=True)),
            "load": Command("FILE", "Go on where a file was saved.", self._load),
            "settings": Command("", "Show all settings, and what they do.", self._show_settings),
            "help": Command("", "Show this.", self._help),
            "quit": Command("", "Leave.", lambda _: None),
        }

    @property
    def names(self) -> list[str]:
        """The words after a slash that mean something."""
        return [*self.commands, *self._settings.options]

    def hold(self, lines: Iterable[str]) -> None:
        """Answer line after line, until there are no more or one says so; what is wrong is said, and it goes on."""
        for line in lines:
            if line.split() == [f"{COMMAND}quit"]:
                return
            try:
                with self._stoppable():
                    self.answer(line)
            except CharlstmError as error:
                remark(f"Error: {as_sentence(error)}")
            except click.ClickException as error:
                remark(f"Error: {error.format_message()}")

    def begin(self, seed: str) -> None:
        """Continue a text before anything is typed."""
        with self._stoppable():
            self._go_on(seed)

    def answer(self, line: str) -> None:
        """Do what a line asks for, or continue it."""
        if line.isdecimal() and self._session.suggestions:
            self._pick(line)
        elif line.startswith(COMMAND) and not line.startswith(COMMAND * 2):
            name, _, rest = line.removeprefix(COMMAND).partition(" ")
            self._do(name or "help", rest)
        else:
            self._go_on(line.removeprefix(COMMAND))

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let Ctrl-C end what is being written and nothing else; through a pipe it then ends the session."""
        with kept_on_screen(), noted(signal.SIGINT) as self._stopped:
            yield
        if self._stopped and not sys.stdin.isatty():
            raise KeyboardInterrupt

    def _do(self, name: str, rest: str) -> None:
        if name in self.commands:
            command = self.commands[name]
            if not command.takes and rest.strip():
                raise WrongUsage(f"/{name} takes nothing after it; {rest.strip()!r} is given.")
            command.act(rest)
        elif name in self._settings.options:
            if rest:
                self._settings.change(name, rest)
            say(self._settings.shown(name))
        else:
            (nearest,) = get_close_matches(name, self.names, 1, 0.0)
            raise WrongUsage(f"there is no /{safe(name)}; the nearest is /{nearest}, and /help lists them all.")

    def _go_on(self, typed: str) -> None:
        typed = known_only(self._session.model, typed, self._settings.manner.unknown)
        before = self._session.text
        made = self._session.go_on(typed)
        self._show(before, "" if self._settings.manner.hide_seed else typed, made)

    def _again(self, _: str) -> None:
        made = self._session.again()
        self._show(self._session.text, "", made)

    def _show(self, before: str, typed: str, made: Iterator[Shown]) -> None:
        """Write a text and what continues it, as it is made."""
        out, passage = sys.stdout, self._passage(self._settings.manner)
        out.write(self._lead(before) + passage.seed(typed))
        for shown in made:
            out.write(passage.add(shown))
            if out.isatty():
                out.flush()
            if self._stopped:
                break
        out.write(passage.end())
        out.flush()
        if self._stopped and sys.stdin.isatty():
            say("stopped; what was shown is kept")

    def _lead(self, text: str) -> str:
        """Return the end of the line that goes on, for a person who sees it: less bright, because it is not new."""
        line = text.rpartition("\n")[2]
        if not line or not sys.stdout.isatty() or self._settings.manner.hide_seed or self._settings.manner.alternatives:
            return ""
        return dimmed(f"{'…' if len(line) > TAIL else ''}{line[-TAIL:]}")

    def _undo(self, _: str) -> None:
        self._session.undo()
        self._where()

    def _reset(self, _: str) -> None:
        self._session.reset()
        self._where()

    def _text(self, _: str) -> None:
        text = self._session.text
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()

    def _add(self, typed: str) -> None:
        self._session.add(known_only(self._session.model, typed, self._settings.manner.unknown))
        self._where()

    def _where(self) -> None:
        text = self._session.text
        tail = safe(text[-TAIL:])
        say(f"the text ends with «{'…' if len(text) > TAIL else ''}{tail}»" if text else "the text is empty")

    def _suggest(self, word: str) -> None:
        count = click.IntRange(min=1)(word.strip() or SUGGESTIONS)
        for number, text in enumerate(self._session.suggest(count), 1):
            remark(padded(f"{number:>2}  {safe(text)}", columns()).rstrip())
        say("pick one by its number, or type on" if self._session.suggestions else "nothing comes next")

    def _pick(self, word: str) -> None:
        number = click.INT(word.strip())
        before = self._session.text
        self._show(before, self._session.pick(number), iter(()))

    def _save(self, name: str, replace: bool = False) -> None:
        path = file_of(name)
        self._session.save(path, replace)
        say(f"saved {len(self._session.text):,} characters and their state in {path}")

    def _load(self, name: str) -> None:
        self._session.load(file_of(name))
        self._where()

    def _show_settings(self, _: str) -> None:
        rows = [(self._settings.shown(name), option.help or "") for name, option in self._settings.options.items()]
        tell("Type one with another value to change it; off is without.", rows)

    def _help(self, _: str) -> None:
        rows = [(f"/{name} {it.takes}".rstrip(), it.help) for name, it in self.commands.items() if it.help]
        settings = ", ".join(f"/{name}" for name in self._settings.options)
        tell(GUIDE, rows, f"Settings, each shown when nothing is given after it: {settings}.")


def converse(conversation: Conversation, seed: str, encoding: str, name: str) -> None:
    """Hold a conversation with whoever types.

    Parameters
    ----------
    conversation
        The session and its settings.
    seed
        What is answered before anything is typed; empty: nothing.
    encoding
        Of what is piped in.
    name
        What the session calls the model.
    """
    lines = typed_lines(encoding, [COMMAND + word for word in conversation.names])
    if sys.stdin is None:
        raise WrongUsage("there is no standard input to read.")
    if sys.stdin.isatty():
        say(f"{name}: type a text to continue it; /help for more, Ctrl-D to leave")
    if seed:
        conversation.begin(seed)
    conversation.hold(lines)


def file_of(name: str) -> Path:
    """Return the file that was named."""
    if not name.strip():
        raise WrongUsage("no file is named; give one after the command, such as /save story.npz.")
    return Path(name.strip()).expanduser()
