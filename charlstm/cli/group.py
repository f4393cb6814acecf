"""The group of the subcommands: it imports each when called, and reports errors as sentences with an exit code."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from charlstm.base.errors import CharlstmError, ConfigError, did_you_mean, shorten, show_value
from charlstm.cli.console import Formatter, print_message
from charlstm.cli.output import discard, safe_streams, write_message
from charlstm.render.characters import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INTERRUPTED = 130
COMPLETE = "_CHARLSTM_COMPLETE"  # set by the shell that asks for completions
NEED_LESS = {
    "train": "smaller --hidden, --batch-size or --seq-len need less",
    "sample": "fewer --samples or a smaller --beam need less",
    "inspect": "a shorter text needs less",
}


class WrongUsage(click.ClickException):
    """The command line is wrong: one sentence, exit code 2."""

    exit_code = 2


def as_sentence(error: CharlstmError, place: str = "command") -> str:
    """Return the message of an error for a place, with the punctuation at its end.

    The parameters that it names are written as options of the running command, or as settings of its session.
    """
    from charlstm.cli.spelling import spell_option, spell_setting  # only an error needs them

    message = error.text(place, spell_setting if place == "session" else spell_option)
    return message if message.endswith("?") else f"{message}."


class Context(click.Context):
    """A context whose help fits the terminal."""

    formatter_class = Formatter


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called, and reports every error in one sentence.

    Parameters
    ----------
    modules
        Name of a subcommand → the module whose attribute `command` is the subcommand, and a sentence about it.
    """

    def __init__(self, *args: Any, modules: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules = modules

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands in the order in which a user needs them."""
        return list(self._modules)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand that the first word names; suggest similar names if there is none."""
        word = args[0]
        if word not in self._modules and not word.startswith("-"):
            end = did_you_mean(word, self._modules) or f"; the commands are {', '.join(self._modules)}."
            raise click.UsageError(f"there is no command {show_value(word)}{end}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the subcommand of a name, or None."""
        if cmd_name not in self._modules:
            return None
        found = importlib.import_module(self._modules[cmd_name][0]).command
        assert isinstance(found, click.Command)
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the subcommands and options that begin with a text, without importing a subcommand."""
        from click.shell_completion import CompletionItem  # only the tab key needs it

        named = [(name, sentence) for name, (_, sentence) in self._modules.items() if name.startswith(incomplete)]
        return [CompletionItem(name, help=help_) for name, help_ in named] + click.Command.shell_complete(
            self, ctx, incomplete
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a sentence about each subcommand, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in self._modules.items()])

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command line and exit: 2 for wrong usage, 1 for a failure, 130 after Ctrl-C."""
        run: Callable[..., Any] = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        if COMPLETE in os.environ:
            importlib.import_module("charlstm.cli.completion")
        with safe_streams():
            try:
                code = run(*args, standalone_mode=False, **extra)
            except click.ClickException as error:
                print_message(printable(_as_text(error).rstrip("\n"), "\n"))
                code = error.exit_code
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the command line; --help and --version print here."""
        with translate_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        with translate_errors(ctx):
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


@contextmanager
def translate_errors(ctx: click.Context | None = None) -> Iterator[None]:
    """Raise every error that a user can act on as an exception of click, with its sentence and its exit code.

    A reader of standard output that ends before the output does is no failure.
    """
    try:
        yield
    except ConfigError as error:
        raise WrongUsage(as_sentence(error)) from error
    except CharlstmError as error:
        raise click.ClickException(as_sentence(error)) from error
    except MemoryError as error:
        need = NEED_LESS.get((ctx and (ctx.invoked_subcommand or ctx.info_name)) or "", "give it less to do")
        raise click.ClickException(f"not enough memory ({error}); {need}.") from error
    except BrokenPipeError:
        discard(sys.stdout)
        raise click.exceptions.Exit(0) from None
    except KeyboardInterrupt:
        write_message("")
        raise click.exceptions.Exit(INTERRUPTED) from None
    except OSError as error:
        what = f"use {shorten(error.filename)}" if error.filename else "write to standard output"
        if not error.filename:
            discard(sys.stdout)
        raise click.ClickException(f"cannot {what}: {error.strerror or error}.") from error


def _as_text(error: click.ClickException) -> str:
    """Return what click prints about an error."""
    text = io.StringIO()
    error.show(text)
    return text.getvalue()
