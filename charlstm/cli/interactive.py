"""`charlstm sample --interactive`: a user and a model write a text in turns, in a terminal or through a pipe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from charlstm.base.errors import CharlstmError, did_you_mean, shorten, show_value
from charlstm.cli.console import dimmed, print_help, print_message, print_note, skip_unknown
from charlstm.cli.group import WrongUsage, as_sentence
from charlstm.cli.keyboard import keep_output, read_lines
from charlstm.cli.output import terminal_width, write_message, write_text
from charlstm.cli.settings import SessionSettings
from charlstm.cli.status import show_elapsed
from charlstm.cli.texts import text_writer
from charlstm.render.characters import escape_line, pad, shown_text
from charlstm.sampling.sampler import SampledCharacter
from charlstm.sampling.session import Session
from charlstm.training.signals import defer_signals

COMMAND = "/"
SUGGESTIONS = 5
SHOWN_END = 40
# What a line can raise: none of these ends the session, whatever the user has typed.
UNANSWERED = (
    CharlstmError,
    click.ClickException,
    KeyboardInterrupt,
    OSError,
    MemoryError,
    OverflowError,
    RecursionError,
    RuntimeError,
    ValueError,
)
GUIDE = """\
Type a text, and the model continues it exactly where it ends: the session adds no space and no newline. The next line
that you type is appended to the whole text. An empty line continues the text. A backslash at the end of a line inserts
a newline, and the text continues on your next line. To start a text with /, type //. Ctrl-C stops the model and keeps
the text so far. Ctrl-D leaves the session, and so does Ctrl-C twice at an empty prompt."""


class Command(NamedTuple):
    """A command of a session.

    Attributes
    ----------
    argument
        Name of its argument; empty: none.
    help
        What it does; empty: /help does not list it.
    run
        Runs it with its argument.
    """

    argument: str
    help: str
    run: Callable[[str], object]


class Conversation:
    """A session at a prompt.

    Parameters
    ----------
    session
        The text and the model.
    settings
        The settings that can be changed by name.
    """

    def __init__(self, session: Session, settings: SessionSettings) -> None:
        self._session = session
        self._settings = settings
        self._interrupts: list[int] = []
        self.commands = {
            "again": Command("", "Replace the last continuation by another one.", self._again),
            "undo": Command("", "Undo the last change of the text.", self._undo),
            "end": Command("", "End the document, for a model of documents; the next text begins another.", self._end),
            "new": Command("", "Start a new text.", self._reset),
            "reset": Command("", "", self._reset),
            "text": Command("", "Print the whole text.", self._print_text),
            "add": Command("TEXT", "Append a text without continuing it.", self._add),
            "suggest": Command("[N]", f"List N short continuations; default: {SUGGESTIONS}.", self._suggest),
            "pick": Command("N", "Append suggestion N; the number alone does the same.", self._pick),
            "save": Command("FILE", "Save the text, the state and the settings; /save! replaces a file.", self._save),
            "save!": Command("FILE", "", lambda name: self._save(name, replace=True)),
            "load": Command("FILE", "Continue a saved session.", self._load),
            "settings": Command("", "List the settings with their values.", self._list_settings),
            "help": Command("", "Print this help.", self._help),
            "quit": Command("", "Leave the session.", lambda _: None),
        }

    @property
    def names(self) -> list[str]:
        """The names of all commands and settings."""
        return [*self.commands, *self._settings.options]

    def answer_all(self, lines: Iterable[str]) -> None:
        """Answer each line until they end or one is /quit; an error is printed and the session continues."""
        for line in lines:
            if line.split() == [f"{COMMAND}quit"]:
                return
            try:
                with self._stop_on_interrupt():
                    self.answer(line)
            except UNANSWERED as error:
                if is_from_output(error) or (isinstance(error, KeyboardInterrupt) and not sys.stdin.isatty()):
                    raise
                print_message(describe_error(error))

    def start(self, seed: str) -> None:
        """Continue a text before the user types anything."""
        with self._stop_on_interrupt():
            self._generate(seed)

    def answer(self, line: str) -> None:
        """Run the command of a line, or append the line to the text and continue it."""
        if line.isdecimal() and self._session.suggestions:
            self._pick(line)
        elif line.startswith(COMMAND) and not line.startswith(COMMAND * 2):
            name, _, argument = line.removeprefix(COMMAND).partition(" ")
            self._run(name or "help", argument)
        else:
            self._generate(line.removeprefix(COMMAND))

    @contextmanager
    def _stop_on_interrupt(self) -> Iterator[None]:
        """Let Ctrl-C stop the current continuation only; through a pipe it then ends the session."""
        with keep_output(), defer_signals(signal.SIGINT) as self._interrupts:
            yield
        if self._interrupts and not sys.stdin.isatty():
            raise KeyboardInterrupt

    def _run(self, name: str, argument: str) -> None:
        if name in self.commands:
            command = self.commands[name]
            if not command.argument and argument.strip():
                raise WrongUsage(f"/{name} takes no argument, but {show_value(argument.strip())} is given.")
            command.run(argument)
        elif name in self._settings.options:
            if argument:
                self._settings.change(name, argument)
            print_note(self._settings.show(name))
        else:
            known = [f"{COMMAND}{each}" for each in self.names]
            end = did_you_mean(f"{COMMAND}{name}", known) or "; /help lists the commands."
            raise WrongUsage(f"there is no command /{shorten(name.partition(chr(10))[0])}{end}")

    def _generate(self, typed: str) -> None:
        typed = skip_unknown(self._session.model, typed, self._settings.display.unknown)
        before = self._session.text
        with self._show_reading(len(typed)):
            characters = self._session.generate(typed)
        self._write(before, "" if self._settings.display.hide_seed else typed, characters)

    def _again(self, _: str) -> None:
        with self._show_reading(len(self._session.text)):
            characters = self._session.again()
        self._write(self._session.text, "", characters)

    @contextmanager
    def _show_reading(self, characters: int) -> Iterator[None]:
        """Show how far the session has read a text, and let Ctrl-C end that; the session is then unchanged."""
        with show_elapsed("reading the text", characters) as show:

            def report(read: int) -> None:
                show(read)
                if self._interrupts:
                    raise KeyboardInterrupt

            self._session.report = report
            try:
                yield
            finally:
                self._session.report = None

    def _write(self, before: str, typed: str, characters: Iterable[SampledCharacter]) -> None:
        """Write a typed text and its continuation while it is sampled."""
        out, writer = sys.stdout, text_writer(self._session.model, self._settings.display)
        out.write(self._last_line(before) + writer.seed(typed))
        for sampled in characters:
            out.write(writer.add(sampled))
            if out.isatty():
                out.flush()
            if self._interrupts:
                break
        out.write(writer.end())
        out.flush()
        if self._session.has_ended:
            print_note("the document has ended; what follows begins another")
        if self._interrupts and sys.stdin.isatty():
            print_note("stopped; the text so far is kept")

    def _last_line(self, text: str) -> str:
        """Return the end of the line that is being continued, dimmed; nothing away from a terminal."""
        line, display = text.rpartition("\n")[2], self._settings.display
        if not line or not sys.stdout.isatty() or display.hide_seed or display.alternatives:
            return ""
        return dimmed(f"{'…' if len(line) > SHOWN_END else ''}{shown_text(line[-SHOWN_END:])}", sys.stdout)

    def _undo(self, _: str) -> None:
        self._session.undo()
        self._print_end()

    def _reset(self, _: str) -> None:
        self._session.reset()
        self._print_end()

    def _end(self, _: str) -> None:
        self._session.end()
        print_note("the document has ended")

    def _print_text(self, _: str) -> None:
        text = self._session.text
        write_text(text if text.endswith("\n") else f"{text}\n")

    def _add(self, typed: str) -> None:
        typed = skip_unknown(self._session.model, typed, self._settings.display.unknown)
        with self._show_reading(len(typed)):
            self._session.add(typed)
        self._print_end()

    def _print_end(self) -> None:
        text = self._session.text
        end = text[-SHOWN_END:].replace("\n", "\\n")
        print_note(f"the text ends with «{'…' if len(text) > SHOWN_END else ''}{end}»" if text else "the text is empty")

    def _suggest(self, word: str) -> None:
        count = click.IntRange(min=1)(word.strip() or SUGGESTIONS)
        for number, text in enumerate(self._session.suggest(count, self._check_interrupt), 1):
            write_message(pad(f"{number:>2}  {escape_line(text)}", terminal_width()).rstrip())
        found = bool(self._session.suggestions)
        print_note("type a number to append that suggestion, or a text" if found else "every continuation is empty")

    def _check_interrupt(self, _: SampledCharacter) -> None:
        """Raise KeyboardInterrupt after Ctrl-C."""
        if self._interrupts:
            raise KeyboardInterrupt

    def _pick(self, word: str) -> None:
        number = click.INT(word.strip())
        before = self._session.text
        self._write(before, self._session.pick(number), ())

    def _save(self, name: str, replace: bool = False) -> None:
        path, length = parse_path(name), len(self._session.text)
        self._session.save(path, replace)
        print_note(f"saved {length:,} character{'s' * (length != 1)} and the state in {path}")

    def _load(self, name: str) -> None:
        self._session.load(parse_path(name))
        self._print_end()

    def _list_settings(self, _: str) -> None:
        rows = [(self._settings.show(name), option.help or "") for name, option in self._settings.options.items()]
        print_help("Type a setting with another value to change it; the value off removes it.", rows)

    def _help(self, _: str) -> None:
        rows = [
            (f"/{name} {command.argument}".rstrip(), command.help)
            for name, command in self.commands.items()
            if command.help
        ]
        settings = ", ".join(f"/{name}" for name in self._settings.options)
        print_help(GUIDE, rows, f"Settings (type one without a value to print it): {settings}.")


def is_from_output(error: BaseException) -> bool:
    """Return whether an error says that standard output cannot be written; others name a file."""
    return isinstance(error, OSError) and not error.filename


def describe_error(error: BaseException) -> str:
    """Return the sentence about an error that a line of the user has caused."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the text is unchanged"
    if isinstance(error, CharlstmError):
        return f"Error: {as_sentence(error, 'session')}"
    if isinstance(error, click.ClickException):
        return f"Error: {error.format_message()}"
    if isinstance(error, MemoryError):
        return f"Error: not enough memory ({error})." if str(error) else "Error: not enough memory."
    if isinstance(error, OSError):
        return f"Error: cannot use {error.filename}: {error.strerror}."
    return f"Error: this cannot be done ({error})."


def run(session: Session, settings: SessionSettings, seed: str, encoding: str, model_name: str) -> None:
    """Run a session at the prompt until the user leaves it.

    Parameters
    ----------
    session
        The text and the model.
    settings
        Its settings.
    seed
        Continued before the user types anything; empty: nothing.
    encoding
        Encoding of a piped input.
    model_name
        Name of the model for the greeting.
    """
    conversation = Conversation(session, settings)
    lines = read_lines(encoding, [COMMAND + name for name in conversation.names])
    if sys.stdin is None:
        raise WrongUsage("there is no standard input to read.")
    if sys.stdin.isatty():
        print_note(f"{model_name}: type a text to continue it, /help for help, Ctrl-D to leave")
    if seed:
        conversation.start(seed)
    conversation.answer_all(lines)


def parse_path(name: str) -> Path:
    """Return the path of a file that the user named.

    Raises
    ------
    WrongUsage
        If there is no name.
    """
    if not name.strip():
        raise WrongUsage("there is no file name; type one after the command, such as /save story.npz.")
    path = Path(name.strip())
    try:
        return path.expanduser()
    except RuntimeError:  # no user has the name after ~, so it is a name like others
        return path
