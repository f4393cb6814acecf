"""`charlstm train`: from a text file to a model file."""

from __future__ import annotations

import re
import signal
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import click

from charlstm.cli.console import GroupedCommand, WrongUsage, known_encoding, model_option, noted, option_of, remark
from charlstm.cli.learn import Files, learn
from charlstm.cli.plan import planned, resumed
from charlstm.cli.report import say_outcome, say_plan
from charlstm.cli.workers import world_of
from charlstm.config import OPTIMIZERS, SPLITS, TrainingConfig
from charlstm.model import files
from charlstm.network.cells import CELLS
from charlstm.network.config import NetworkConfig, activation_functions

NETWORK, TRAINING = NetworkConfig(), TrainingConfig(steps=0)
network_option = option_of("Model")
training_option = option_of("Optimisation")
data_option = option_of("Data")
running_option = option_of("Running")
SAVE_EVERY = 120.0
BY_THE_TEXT = "by the size of the text and the time"
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0}


class Duration(click.ParamType):  # type: ignore[type-arg]  # click before 8.2 has no argument for it
    """A time as a person writes it: 90s, 10m, 2h, 1h30m; a bare number is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        parts = re.findall(r"(\d+(?:\.\d+)?)([hms]?)", str(value).strip().lower())
        seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
        if "".join(map("".join, parts)) != str(value).strip().lower() or not seconds:
            self.fail(f"{value!r} is not a time such as 90s, 10m, 2h or 1h30m.", param, ctx)
        return seconds


@click.command("train", cls=GroupedCommand)
@click.argument("corpora", metavar="CORPUS...", nargs=-1, required=True, type=click.Path(path_type=Path))
@network_option("--cell", type=click.Choice(tuple(CELLS)), default=NETWORK.cell, help="Kind of recurrent unit.")
@network_option(
    "--activation",
    type=click.Choice(activation_functions()),
    default=NETWORK.activation,
    help="Non-linearity of the rnn.",
)
@network_option(
    "--hidden",
    type=click.IntRange(min=1),
    show_default=BY_THE_TEXT,
    help="Units in a layer.",
)
@network_option("--layers", type=click.IntRange(min=1), show_default=BY_THE_TEXT, help="Layers, one above another.")
@network_option(
    "--dropout",
    type=click.FloatRange(0, 1, max_open=True),
    show_default=BY_THE_TEXT,
    help="Share of every layer's outputs that is left out while learning.",
)
@network_option(
    "--weight-dropout",
    type=click.FloatRange(0, 1, max_open=True),
    show_default=BY_THE_TEXT,
    help="Share of the weights from a layer to itself that is left out while learning.",
)
@network_option(
    "--forget-bias",
    type=float,
    show_default="0, unless there is a memory span",
    help="Initial bias of the gate that keeps the memory: larger remembers longer.",
)
@network_option(
    "--chrono-init",
    type=click.IntRange(min=0),
    show_default="the longest line with --lines, else 0",
    help="Let the units start with memories of all lengths up to so many characters.",
)
@training_option("--epochs", type=click.FloatRange(min=0), help="How often the corpus is read.", show_default=False)
@training_option(
    "--steps",
    type=click.IntRange(min=0),
    show_default="by the size of the text",
    help="Updates of the weights.",
)
@training_option(
    "--time", "seconds", type=Duration(), metavar="DURATION", help="How long to train: 90s, 10m, 2h; decides the rest."
)
@training_option("--batch-size", type=click.IntRange(min=1), show_default=BY_THE_TEXT, help="Rows read side by side.")
@training_option(
    "--seq-len",
    type=click.IntRange(min=1),
    show_default=BY_THE_TEXT,
    help="Characters through which the gradient runs back; with --lines it is the whole line.",
)
@training_option("--optimizer", type=click.Choice(OPTIMIZERS), default=TRAINING.optimizer, help="Rule of the updates.")
@training_option(
    "--learning-rate", "--lr", type=click.FloatRange(min=0), show_default=BY_THE_TEXT, help="Peak learning rate."
)
@training_option("--warmup", type=click.IntRange(min=0), default=TRAINING.warmup, help="Steps up to the peak rate.")
@training_option(
    "--decay/--no-decay", default=TRAINING.decay, help="Let the rate fall to zero along a cosine, or keep it."
)
@training_option(
    "--weight-decay",
    type=click.FloatRange(min=0),
    show_default=BY_THE_TEXT,
    help="Share of every matrix that a step takes away, times the learning rate.",
)
@training_option(
    "--clip", type=click.FloatRange(min=0), default=TRAINING.clip, help="Largest norm of the gradient; 0: any."
)
@training_option(
    "--hold",
    type=click.FloatRange(0, 1, max_open=True),
    show_default=BY_THE_TEXT,
    help="Share of the steps at the peak rate, before it falls.",
)
@training_option(
    "--turn",
    "turns",
    metavar="STEP STEPS",
    nargs=2,
    type=click.IntRange(min=1),
    multiple=True,
    help="Up to this step the rate fell towards so many steps in all; --time says which.",
)
@training_option(
    "--patience",
    type=click.IntRange(min=0),
    default=TRAINING.patience,
    help="End after so many validations in a row without a better one; 0: never.",
)
@training_option(
    "--init-from",
    type=click.Path(path_type=Path),
    help="Go on from the weights of this model, on another text; new characters are added.",
)
@data_option(
    "--split",
    type=click.Choice(SPLITS[:2]),
    default=TRAINING.split,
    help="Hold out the end of the text, or stripes from all over it.",
)
@data_option("--val", type=click.Path(path_type=Path), help="Hold out this file instead of a share of the text.")
@data_option(
    "--val-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=TRAINING.val_fraction,
    help="Share held out to judge the model by: the end of the text, or lines drawn at random.",
)
@data_option("--lines", is_flag=True, help="Every line is a text of its own.")
@data_option(
    "--curriculum",
    type=click.FloatRange(min=0),
    default=TRAINING.curriculum,
    help="With --lines: let short lines come first for that many epochs.",
)
@data_option("--encoding", default="utf-8", callback=known_encoding, help="How the files are encoded.")
@model_option("Running", help="Model file to write.")
@running_option("--force", is_flag=True, help="Replace the model file if it exists.")
@running_option("--resume", is_flag=True, help="Go on with the run that was stopped, as if it never had been.")
@running_option(
    "--save-every", type=click.FloatRange(min=0), default=SAVE_EVERY, help="Save at least once in so many seconds."
)
@running_option(
    "--random-seed", type=click.IntRange(min=0), default=TRAINING.random_seed, help="Seed of every random number."
)
@running_option(
    "--workers",
    type=click.IntRange(min=1),
    show_default="as many as the model pays for and the machine has cores",
    help="Processes that share every batch.",
)
@running_option(
    "--validate-every",
    type=click.IntRange(min=0),
    default=TRAINING.validate_every,
    show_default="a tenth of the steps",
    help="Steps between two measures of the held-out part.",
)
@running_option(
    "--preview", type=click.IntRange(min=0), default=0, help="Show so many characters of its own after each of them."
)
@running_option(
    "--log", type=click.Path(dir_okay=False, path_type=Path), help="Write a JSON object a report to a file."
)
@running_option("--mpi", is_flag=True, help="Share every batch among the processes that mpirun started.")
@running_option("--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    model: Path,
    log: Path | None,
    workers: int | None,
    mpi: bool,
    quiet: bool,
    force: bool,
    resume: bool,
    save_every: float,
    preview: int,
    **settings: Any,
) -> None:
    """Learn the text in CORPUS... and write a model file.

    Nothing else needs to be given: what is left open follows from the size of the text. Several files are read as one
    text.
    """
    begun = time.monotonic()
    if mpi and workers is not None:
        raise WrongUsage("--mpi takes the processes that mpirun started; leave out --workers.")
    written = Files(model, model.with_suffix(".resume.npz"), log)
    with world_of(mpi) as world, ExitStack() as stack:
        say = silence if quiet or world.rank else remark
        for path in (model, *([log] if log else [])):
            files.check_target(path)
        world.together(lambda: stack.enter_context(nullcontext() if world.rank else files.held(model)))
        if resume:
            plan = world.together(lambda: resumed(say, written.run, workers=workers, **settings))
        else:
            for path in (path for path in written if path is not None):
                if path.exists() and not force:
                    raise WrongUsage(
                        f"{path} exists already; go on with its run by --resume, name another file with"
                        f" {'--log' if path == log else '-m'}, or replace it with --force."
                    )
            plan = world.together(lambda: planned(say, world, begun, workers=workers, **settings))
        say_plan(say, plan)
        with noted(signal.SIGINT, signal.SIGTERM) as received:  # to the last word: what is learnt is saved and said
            finished = learn(plan, written, world, quiet, save_every, preview, received)
            say_outcome(say, plan, finished, model)


def silence(text: str) -> None:
    """Say nothing."""
