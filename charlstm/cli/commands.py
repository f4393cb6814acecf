"""What the subcommands are made of: options by heading, types of values, and the options that several share."""

from __future__ import annotations

import codecs
import importlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from charlstm.base.config import ADAPT_RATE
from charlstm.base.errors import did_you_mean, shorten, show_value
from charlstm.base.files import STANDARD_STREAM, Files
from charlstm.cli.group import Context, WrongUsage, translate_errors
from charlstm.cli.output import is_shown, terminal_width
from charlstm.render.characters import wrap_message

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from click.types import OptionHelpExtra

DEFAULT_MODEL = "charlstm.npz"
MAIN_OPTIONS = "Main options"
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class GroupedOption(click.Option):
    """An option under a heading of --help."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Return what --help shows in brackets, with the words for a default as they are."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra


class GroupedCommand(click.Command):
    """A command whose --help lists its options by heading and ends with examples.

    Parameters
    ----------
    examples
        Command lines, each with what it does.
    sections
        Further sections before the examples: heading → rows of a name and a sentence.
    renamed
        Options of earlier versions → what to use instead.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[tuple[str, str]] = (),
        sections: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType({}),
        renamed: Mapping[str, str] = MappingProxyType({}),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.sections = sections
        self.renamed = renamed

    context_class = Context

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; name the new spelling of a renamed option, or options similar to a mistyped one."""
        refuse_rate(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name in self.renamed:
                message = f"there is no option {error.option_name} any more; use {self.renamed[error.option_name]}."
            else:
                known = [word for parameter in self.params for word in (*parameter.opts, *parameter.secondary_opts)]
                options = [word for word in known if word.startswith("-")]
                end = did_you_mean(error.option_name, options) or "; --help lists the options"
                names = [str(one.metavar or one.name) for one in self.params if isinstance(one, click.Argument)]
                if names and not (end.endswith("?") and error.option_name.startswith("--")):
                    name = names[0].strip(".").upper()
                    end = f" ({end.removeprefix('; ')})" if end.endswith("?") else end
                    end += f"; a {name.lower()} that begins with a dash goes after --: {ctx.command_path} -- {name}"
                message = f"there is no option {shorten(error.option_name)}{end}{'' if end.endswith('?') else '.'}"
            raise click.UsageError(message, ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; numbers beyond the range of floats become infinite or NaN, without a warning of NumPy."""
        import numpy as np  # --help needs none

        with translate_errors(ctx), np.errstate(all="ignore"):
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under its heading, the main options first."""
        headings: dict[str, list[tuple[str, str]]] = {MAIN_OPTIONS: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, GroupedOption):
                headings.setdefault(parameter.heading, []).append(record)
        for heading, records in headings.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the further sections and the examples."""
        for heading, rows in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
        if self.examples:
            with formatter.section("Examples"):
                for line, sentence in self.examples:
                    example = f"{'':{formatter.current_indent}}{line}"
                    formatter.write(f"{wrap_message(example, terminal_width()) if is_shown() else example}\n")
                    formatter.indent()
                    formatter.write_text(sentence)
                    formatter.dedent()


def refuse_rate(words: Sequence[str]) -> None:
    """Refuse a learning rate after --adapt, where it stood in earlier versions."""
    for word, following in pairwise([*words, ""]):
        rate = word.removeprefix("--adapt=") if word.startswith("--adapt=") else following
        if word == "--":
            return
        if word.startswith("--adapt=") or (word == "--adapt" and re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", rate)):
            raise WrongUsage(f"--adapt takes no value; set the learning rate with --adapt-rate {shorten(rate)}.")


def write_escapes(text: str) -> str:
    r"""Return a text as `EscapedText` reads it: with \n for a newline, \t for a tab and \\ for a backslash."""
    return "".join({value: f"\\{sign}" for sign, value in ESCAPES.items()}.get(each, each) for each in text)


class EscapedText(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 has no argument for it
    r"""A text in which \n is a newline, \t a tab, and \\ a backslash."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        return unescape(value)


def unescape(text: str) -> str:
    r"""Return a text with a newline for \n, a tab for \t, and a backslash for \\."""
    return re.sub(r"\\([nt\\])", lambda found: ESCAPES[found[1]], text)


class Bias(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 has no argument for it
    """A character and a number with an equals sign between them: e=-1.5."""

    name = "bias"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Return the character and the number."""
        character, _, number = unescape(value).rpartition("=")
        try:
            if len(character) != 1:
                raise ValueError
            return character, float(number)
        except ValueError:
            self.fail(
                f"{value!r} is not a character and a number with an equals sign between them, such as e=-1.5.",
                param,
                ctx,
            )


class Mix(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 has no argument for it
    """A name of counts and a weight with an equals sign between them: counts=0.2."""

    name = "mix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Return the name and the weight."""
        from charlstm.sampling.filters import CACHE, COUNTS

        word, _, number = value.partition("=")
        try:
            if word not in {COUNTS, CACHE} or not 0.0 <= float(number) <= 1.0:
                raise ValueError
            return word, float(number)
        except ValueError:
            self.fail(
                f"{show_value(value)} is not counts= or cache= and a weight from 0 to 1, such as cache=0.2.",
                param,
                ctx,
            )


class FilePath(click.Path):
    """The path of a file: not empty; with ~ for the home folder, also where the shell leaves it: in --model=~/x."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        name = os.fspath(value)
        if not name:
            self.fail("the name of the file is empty; give one character or more.", param, ctx)
        path = Path(name)
        found = super().convert(path.expanduser() if path.parts[:1] == ("~",) else path, param, ctx)
        assert isinstance(found, Path)
        return found

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """Return the files and folders that the path can be."""
        from charlstm.cli import candidates  # only the tab key needs it

        return candidates.list_paths(incomplete)


def output_file_option(heading: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """Return the options for the file that a command writes: its name, and --force."""
    option = option_of(heading)

    def add(command: Decorated) -> Decorated:
        force = option("--force", is_flag=True, help="Let the output replace a charlstm model or session.")
        return option("-o", "--output", type=FilePath(), **settings)(force(command))

    return add


def complete_with(name: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]:
    """Return a function of `charlstm.cli.candidates` by its name: only the tab key needs that module."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        found: list[CompletionItem[str]] = getattr(importlib.import_module("charlstm.cli.candidates"), name)(
            ctx, parameter, incomplete
        )
        return found

    return complete


def check_files(inputs: Iterable[str | os.PathLike[str] | None], output: Path | None, force: bool) -> Path | None:
    """Return the file that a command writes, once it is checked against those that it reads; - is standard output.

    Raises
    ------
    ConfigError
        If the output is one of the inputs, or it is a model or session and `force` is False.
    CharlstmError
        If no file can be written there.
    """
    if output is None or str(output) == STANDARD_STREAM:
        return None
    files = Files("--force")
    for path in inputs:
        if path is not None:
            files.add_input(path)
    return files.add_output(output, replace=force)


def option_of(heading: str) -> Callable[..., Callable[[Decorated], Decorated]]:
    """Return `click.option` for options under a heading; --help shows their default."""

    def option(*declarations: str, **settings: Any) -> Callable[[Decorated], Decorated]:
        settings.setdefault("show_default", True)
        return click.option(*declarations, cls=GroupedOption, heading=heading, **settings)

    return option


def model_option(heading: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """Return the option for the model file, which every command has."""
    return option_of(heading)(
        "-m",
        "--model",
        default=DEFAULT_MODEL,
        envvar="CHARLSTM_MODEL",
        show_envvar=True,
        **settings,
    )


def check_encoding(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the name of a text encoding; refuse an unknown one."""
    if value is None:
        return None
    try:
        "a".encode(codecs.lookup(value).name)
    except (LookupError, UnicodeError, ValueError) as error:
        raise click.BadParameter(
            f"Python has no text encoding {show_value(value)}; utf-8 and latin-1 are two that it has."
        ) from error
    return value


def field_option(heading: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """Return the option for the field of a table, which every command that reads texts has."""
    return option_of(heading)("--field", metavar="NAME", callback=check_field, **settings)


def check_field(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the name of a field; refuse an empty one."""
    if value == "":
        raise click.BadParameter("the name of the field is empty; give one character or more.")
    return value


def adapt_rate_option(heading: str) -> Callable[[Decorated], Decorated]:
    """Return the option for the learning rate of dynamic evaluation."""
    return option_of(heading)(
        "--adapt-rate",
        type=click.FloatRange(min=0, min_open=True),
        metavar="RATE",
        default=ADAPT_RATE,
        help="Learning rate of --adapt.",
    )


def unknown_option(heading: str) -> Callable[[Decorated], Decorated]:
    """Return the option that decides what happens to unknown characters."""
    return option_of(heading)(
        "--unknown",
        type=click.Choice(("error", "skip")),
        default="error",
        help="Report characters that the model does not know as an error, or skip them.",
    )
