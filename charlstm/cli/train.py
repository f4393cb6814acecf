"""`charlstm train`: parse options, train, and print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from charlstm.api.training import TrainingInterrupted, train
from charlstm.base.config import AUTO, MOST_AVERAGING
from charlstm.base.errors import CharlstmError, ConfigError, show_value
from charlstm.cli.commands import (
    MAIN_OPTIONS,
    Decorated,
    EscapedText,
    FilePath,
    GroupedCommand,
    check_encoding,
    field_option,
    model_option,
    option_of,
)
from charlstm.cli.models import ModelPath
from charlstm.cli.progress import ConsoleWatcher, QuietWatcher
from charlstm.text.ngrams import MOST_ORDER
from charlstm.training.counting import ORDER
from charlstm.training.durations import format_duration, parse_duration
from charlstm.training.options import AUTOMATIC, CHOICES, DEFAULTS, ENCODING, Options

INTERRUPTED = 128
RATE = click.FloatRange(0, 1, max_open=True)
PATH = FilePath()

EXAMPLES = (
    ("charlstm train corpus.txt", "Train on a text with the automatic settings, and write charlstm.npz."),
    ("charlstm train names.txt --lines --time 2m", "Train for two minutes on a list in which each line is a document."),
    ("charlstm train --resume -m charlstm.npz", "Resume a run that was interrupted."),
    ("charlstm train corpus.txt --repeat model.npz -m again.npz", "Repeat the run of another model."),
)
RENAMED = {
    "--batch": "--batch-size",
    "--memory-span": "--chrono-init",
    "--short-first": "--curriculum",
    "--turn": "--repeat MODEL: a model file records how the clock changed the schedule",
}


class Duration(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 has no argument for it
    """A duration such as 90s, 10m, 2h, 1h30m or 1d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if not isinstance(value, str):
            return float(value)
        try:
            return parse_duration(value)
        except ConfigError as error:
            self.fail(f"{error}.", param, ctx)


class Order(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 has no argument for it
    """The order of an n-gram model."""

    name = "order"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the order."""
        if not (str(value).isascii() and str(value).isdigit() and 1 <= int(value) <= MOST_ORDER):
            advice = "without an order, give --counts after CORPUS"
            self.fail(f"{show_value(value)} is no whole number, 1 to {MOST_ORDER}; {advice}.", param, ctx)
        return int(value)


class Patience(click.IntRange):
    """A number of validations, or "auto"."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or "auto"."""
        if value == AUTO:
            return value
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value[:60]!r} is neither {AUTO} nor a whole number, 0 or more.", param, ctx)


def options_of(heading: str) -> Callable[..., Callable[[Decorated], Decorated]]:
    """Return `click.option` for options under a heading; an option that is not given is None.

    --help shows the default of `Options`, or "auto" where the text and the time decide.
    """
    plain = option_of(heading)

    def option(*declarations: str, **settings: Any) -> Callable[[Decorated], Decorated]:
        name = declarations[0].partition("/")[0].removeprefix("--").replace("-", "_")
        if "show_default" not in settings:
            default = "auto" if name in AUTOMATIC else DEFAULTS.get(name, getattr(Options, name, None))
            settings["show_default"] = False if default is None or isinstance(default, bool) else str(default)
        return plain(*declarations, **settings)

    return option


main_option = options_of(MAIN_OPTIONS)
network_option = options_of("Network")
data_option = options_of("Data")
optimisation_option = options_of("Optimisation")
running_option = options_of("Running")


@click.command("train", cls=GroupedCommand, examples=EXAMPLES, renamed=RENAMED)
@click.argument("corpora", metavar="CORPUS...", nargs=-1, type=PATH)
@main_option(
    "--time",
    type=Duration(),
    metavar="DURATION",
    help="Duration of the run, such as 90s, 10m, 1h30m or 1d; it also determines the size of the network.",
)
@main_option(
    "--documents",
    type=EscapedText(),
    metavar="WHAT",
    show_default="one stream",
    help="What a document is: a line, the text between blank lines (blank-line), or a file; or the text that separates"
    " documents, such as '\\n%\\n', in which \\n is a newline, \\t a tab and \\\\ a backslash.",
)
@main_option("--lines", is_flag=True, default=None, help="Short for --documents line.")
@main_option("--hidden", type=click.IntRange(min=1), help="Units per layer.")
@model_option(MAIN_OPTIONS, type=FilePath(dir_okay=False), help="Model file to write.")
@main_option("--force", is_flag=True, help="Replace the model file if it exists.")
@main_option("--resume", is_flag=True, help="Resume the run of the model file exactly; CORPUS is not needed.")
@network_option("--cell", type=click.Choice(CHOICES["cell"]), help="Recurrent cell.")
@network_option("--activation", type=click.Choice(CHOICES["activation"]), help="Activation function of the rnn.")
@network_option("--layers", type=click.IntRange(min=1), help="Number of layers.")
@network_option("--dropout", type=RATE, help="Dropout rate on the outputs of every layer.")
@network_option("--weight-dropout", type=RATE, help="Dropout rate on the recurrent weights (DropConnect).")
@network_option("--forget-bias", type=float, help="Initial bias of the forget gate.")
@network_option(
    "--chrono-init",
    type=click.IntRange(min=0),
    help="Chrono initialisation: longest memory in characters; 0 = off.",
)
@network_option(
    "--init-from",
    type=ModelPath(),
    metavar="MODEL",
    help="Initialise the weights from this model, to fine-tune it on another text; new characters are added.",
)
@data_option(
    "--split",
    type=click.Choice(CHOICES["split"]),
    show_default="auto",
    help="Validation set: the end of the text (tail), the end of each file (tails; auto for several files), or"
    " stripes of the text.",
)
@data_option("--val", type=PATH, help="Use this file or folder as validation set.")
@data_option(
    "--label",
    metavar="WHAT",
    show_default="no labels",
    help="What gives the label of a document, which is read before it: folder, file, or field:NAME in a table.",
)
@data_option(
    "--val-fraction",
    type=RATE,
    show_default="0.1; 0 for a very short text",
    help="Fraction of the text in the validation set; with --documents a random sample of the documents.",
)
@data_option(
    "--curriculum",
    type=click.FloatRange(min=0),
    help="With --documents: epochs during which the shortest documents come first; 0 = off.",
)
@data_option(
    "--encoding",
    callback=check_encoding,
    show_default=ENCODING,
    help="Encoding of the text files. A run that is resumed keeps its encoding.",
)
@field_option("Data", help="Read this field of tables (.csv, .tsv, .jsonl); each row is a document.")
@data_option(
    "--no-examples",
    "examples",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Store no excerpts of the validation set in the model file. By default it has three short ones, which a page"
    " offers as texts to read.",
)
@data_option(
    "--counts",
    type=Order(),
    is_flag=False,
    flag_value=str(ORDER),
    metavar="[ORDER]",
    show_default="none",
    help=f"Store an n-gram model of the training set in the model file too, for sample --mix and inspect --view counts:"
    f" of this order, 1 to {MOST_ORDER}; {ORDER} without a number.",
)
@optimisation_option("--epochs", type=click.FloatRange(min=0), help="Passes over the training text (epochs).")
@optimisation_option("--steps", type=click.IntRange(min=0), help="Optimizer steps.")
@optimisation_option("--batch-size", type=click.IntRange(min=1), help="Batch size.")
@optimisation_option("--seq-len", type=click.IntRange(min=1), help="Truncated-BPTT length; ignored for lines.")
@optimisation_option("--optimizer", type=click.Choice(CHOICES["optimizer"]), help="Optimizer.")
@optimisation_option("--learning-rate", "--lr", type=click.FloatRange(min=0), help="Peak learning rate.")
@optimisation_option(
    "--warmup",
    type=click.IntRange(min=0),
    help="Steps of linear warm-up to the peak rate. The default is at most a tenth of all steps.",
)
@optimisation_option(
    "--hold", type=RATE, help="Fraction of the steps at the peak learning rate, before the decay begins."
)
@optimisation_option(
    "--decay/--no-decay",
    default=None,
    show_default="--decay",
    help="Cosine decay of the learning rate to zero.",
)
@optimisation_option("--weight-decay", type=click.FloatRange(min=0), help="Decoupled weight decay (AdamW).")
@optimisation_option(
    "--tar",
    type=click.FloatRange(min=0),
    help="Temporal activation regularisation: weight of the mean square of the change of the last layer's outputs from"
    " one character to the next; 0 = off.",
)
@optimisation_option(
    "--averaging",
    type=click.FloatRange(min=0, max=MOST_AVERAGING),
    help="Exponent of the polynomial-decay average of the weights, which the model gets: a larger one forgets sooner;"
    " 0 = off.",
)
@optimisation_option("--clip", type=click.FloatRange(min=0), help="Gradient-norm clipping; 0 = off.")
@optimisation_option(
    "--patience",
    type=Patience(),
    metavar="N",
    show_default=AUTO,
    help="Stop after this number of validations without improvement; auto: when half of the steps came after the best"
    " validation; 0 = off.",
)
@optimisation_option(
    "--validate-every", type=click.IntRange(min=0), show_default="auto", help="Steps between two validations."
)
@running_option(
    "--repeat",
    type=ModelPath(),
    metavar="MODEL",
    help="Repeat the run of this model on the same text: same settings, steps and schedule.",
)
@running_option("--random-seed", type=click.IntRange(min=0), show_default="0", help="Seed of all random numbers.")
@running_option("--workers", type=click.IntRange(min=1), help="Processes that share every batch.")
@running_option("--mpi", is_flag=True, help="Share every batch among the processes that mpirun started.")
@running_option(
    "--save-every",
    type=Duration(),
    metavar="DURATION",
    default=Options.save_every,
    show_default=format_duration(Options.save_every),
    help="Longest time between two saves; 0: save after every step.",
)
@running_option(
    "--preview",
    type=click.IntRange(min=0),
    default=Options.preview,
    help="Print a sample of N characters after each validation.",
    metavar="N",
)
@running_option("--log", type=FilePath(dir_okay=False), help="Write a JSON object per report to this file.")
@running_option("--quiet", is_flag=True, help="Print only errors.")
def command(quiet: bool, **settings: Any) -> None:
    """Train a model on the text in CORPUS...

    Settings that are not given follow from the size of the text and the time. Several files are read as one text;
    - is standard input. A folder stands for all text files in it and in the folders below it, in the order of their
    paths. Files that gzip, bzip2 or xz compressed are read decompressed.
    """
    with report_once(settings["mpi"]):
        try:
            train(**settings, progress=QuietWatcher() if quiet else ConsoleWatcher())
        except TrainingInterrupted as error:
            raise click.exceptions.Exit(INTERRUPTED + error.signal) from error


@contextmanager
def report_once(mpi: bool) -> Iterator[None]:
    """Under MPI, let only rank 0 report an error that all ranks have."""
    try:
        yield
    except (CharlstmError, click.ClickException) as error:
        if mpi:
            from charlstm.training.mpi import MPI  # mpi4py is optional

            if MPI().rank:
                raise click.exceptions.Exit(1) from error
        raise
