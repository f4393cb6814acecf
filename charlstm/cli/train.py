"""`charlstm train`: from a text file to a model file."""

from __future__ import annotations

import math
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from click.core import ParameterSource

from charlstm import batches, checkpoint, corpus, files, optimizers, recipe, trainer
from charlstm.batches import Split
from charlstm.checkpoint import Run
from charlstm.cli.console import GroupedCommand, WrongUsage, known_encoding, model_option, option_of, remark
from charlstm.cli.progress import Watch
from charlstm.config import ACTIVATIONS, CELLS, OPTIMIZERS, NetworkConfig, TrainingConfig, to_mapping
from charlstm.corpus import Corpus
from charlstm.errors import CharlstmError, CheckpointError, ConfigError, CorpusError
from charlstm.loss import NATS_PER_BIT
from charlstm.model import Model
from charlstm.network import Network
from charlstm.parallel.processes import CannotStartError, Job, cores, processes
from charlstm.parallel.team import Serial, Team
from charlstm.trainer import Progress

NETWORK, TRAINING = NetworkConfig(), TrainingConfig(steps=0)
network_option = option_of("Model")
training_option = option_of("Optimisation")
data_option = option_of("Data")
running_option = option_of("Running")
SAVE_EVERY = 120.0


@click.command("train", cls=GroupedCommand)
@click.argument("corpora", metavar="CORPUS...", nargs=-1, required=True, type=click.Path(path_type=Path))
@network_option("--cell", type=click.Choice(CELLS), default=NETWORK.cell, help="Kind of recurrent unit.")
@network_option(
    "--activation", type=click.Choice(ACTIVATIONS), default=NETWORK.activation, help="Non-linearity of the rnn."
)
@network_option(
    "--hidden",
    type=click.IntRange(min=1),
    show_default="64, 128 or 256, by the size of the corpus",
    help="Units in a layer.",
)
@network_option("--layers", type=click.IntRange(min=1), default=NETWORK.layers, help="Layers, one above another.")
@network_option(
    "--dropout",
    type=click.FloatRange(0, 1, max_open=True),
    default=NETWORK.dropout,
    help="Share of every layer's outputs that is left out while learning.",
)
@network_option(
    "--forget-bias",
    type=float,
    show_default=f"{NETWORK.forget_bias:g}, unless there is a memory span",
    help="Initial bias of the gate that keeps the memory: larger remembers longer.",
)
@network_option(
    "--memory-span",
    type=click.IntRange(min=0),
    show_default="the longest line with --lines, else 0",
    help="Let the units start with memories of all lengths up to so many characters.",
)
@training_option("--epochs", type=click.FloatRange(min=0), help="How often the corpus is read.", show_default=False)
@training_option(
    "--steps", type=click.IntRange(min=0), show_default="by the size of the corpus", help="Updates of the weights."
)
@training_option("--batch", type=click.IntRange(min=1), default=TRAINING.batch, help="Rows read side by side.")
@training_option(
    "--seq-len",
    type=click.IntRange(min=1),
    default=TRAINING.seq_len,
    help="Characters through which the gradient runs back; with --lines it is the whole line.",
)
@training_option("--optimizer", type=click.Choice(OPTIMIZERS), default=TRAINING.optimizer, help="Rule of the updates.")
@training_option("--lr", type=click.FloatRange(min=0), default=TRAINING.lr, help="Peak learning rate.")
@training_option("--warmup", type=click.IntRange(min=0), default=TRAINING.warmup, help="Steps up to the peak rate.")
@training_option(
    "--decay/--no-decay", default=TRAINING.decay, help="Let the rate fall to zero along a cosine, or keep it."
)
@training_option(
    "--clip", type=click.FloatRange(min=0), default=TRAINING.clip, help="Largest norm of the gradient; 0: any."
)
@data_option(
    "--val-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=TRAINING.val_fraction,
    help="Share held out to judge the model by: the end of the text, or lines drawn at random.",
)
@data_option("--lines", is_flag=True, help="Every line is a text of its own.")
@data_option(
    "--short-first",
    type=click.FloatRange(min=0),
    default=TRAINING.short_first,
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
@running_option("--mpi", is_flag=True, help="Share every batch among the processes that mpirun started.")
@running_option("--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    model: Path,
    workers: int | None,
    mpi: bool,
    quiet: bool,
    force: bool,
    resume: bool,
    save_every: float,
    **settings: Any,
) -> None:
    """Learn the text in CORPUS... and write a model file.

    Nothing else needs to be given: what is left open follows from the size of the text. Several files are read as one
    text.
    """
    if mpi and workers is not None:
        raise WrongUsage("--mpi takes the processes that mpirun started; leave out --workers.")
    run = model.with_suffix(".resume.npz")
    with world_of(mpi) as world, ExitStack() as stack:
        say = silence if quiet or world.rank else remark
        files.check_target(model)
        world.together(lambda: stack.enter_context(nullcontext() if world.rank else files.held(model)))
        if resume:
            plan = world.together(lambda: resumed(say, run, given(settings), **settings))
        else:
            for path in (model, run):
                if path.exists() and not force:
                    raise WrongUsage(
                        f"{path} exists already; go on with its run by --resume, name another file with -m,"
                        " or replace it with --force."
                    )
            plan = world.together(lambda: planned(say, **settings))
        say_plan(say, plan)
        finished = learn(plan, model, run, world, workers, quiet, save_every)
        say_outcome(say, finished, model)


class Plan(NamedTuple):
    """What will be trained, on what.

    Attributes
    ----------
    model : Model
        With its first weights.
    split : Split
        The corpus.
    batch : int
        The rows that were asked for.
    run : Run or None
        Where an earlier run stood, to go on from there.
    """

    model: Model
    split: Split
    batch: int
    run: Run | None = None


def planned(
    say: Callable[[str], None],
    corpora: tuple[Path, ...],
    epochs: float | None,
    steps: int | None,
    hidden: int | None,
    forget_bias: float | None,
    memory_span: int | None,
    encoding: str,
    **settings: Any,
) -> Plan:
    """Read the corpus and choose what the user left open."""
    if epochs is not None and steps is not None:
        raise WrongUsage("--epochs and --steps say the same thing; give one of them.")
    if settings["short_first"] and not settings["lines"]:
        raise WrongUsage("--short-first orders lines; give --lines with it, or leave it out.")
    if settings["cell"] == "rnn" and (forget_bias is not None or memory_span is not None):
        raise WrongUsage("--forget-bias and --memory-span are for gates that keep a memory; the rnn has none.")
    if forget_bias is not None and memory_span:
        raise WrongUsage("--forget-bias and --memory-span both say how memories start; give one of them.")

    text = corpus.read(corpora, encoding, settings["lines"])
    for note in text.remarks:
        say(note)
    network_settings = {name: settings.pop(name) for name in ("cell", "activation", "layers", "dropout")}
    config = TrainingConfig(steps=0, **settings)
    split = split_of(text, config)
    per_epoch = split.training.per_epoch
    if steps is None:
        steps = recipe.steps(split.characters, per_epoch) if epochs is None else math.ceil(epochs * per_epoch)
    config = replace(config, steps=steps, batch=split.training.rows)
    if memory_span is None:
        memory_span = split.longest_line if forget_bias is None else 0
    shape = NetworkConfig(
        hidden=hidden or recipe.hidden_units(text.facts.characters),
        forget_bias=NETWORK.forget_bias if forget_bias is None else forget_bias,
        memory_span=memory_span,
        **network_settings,
    )
    network = Network(shape, len(text.vocabulary))
    network.initialise(config.random_seed)
    return Plan(Model(network, text.vocabulary, config, text.facts), split, settings["batch"])


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that stand on the command line, without the defaults."""
    source = click.get_current_context().get_parameter_source
    return {name: value for name, value in settings.items() if source(name) is ParameterSource.COMMANDLINE}


def resumed(
    say: Callable[[str], None],
    path: Path,
    chosen: dict[str, Any],
    corpora: tuple[Path, ...],
    epochs: float | None,
    steps: int | None,
    encoding: str,
    **_: Any,
) -> Plan:
    """Read where a run stands and the corpus that it learns; see that nothing but its length is to change.

    Raises
    ------
    CharlstmError
        If there is no run, its corpus was another one, or an option contradicts it.
    """
    if not path.exists():
        raise CheckpointError(f"there is no {path} to go on with; start the run without --resume")
    run = checkpoint.load_run(path)
    model, config, done = run.model, run.model.training, run.standing.step
    recorded = to_mapping(model.network.config) | to_mapping(config)
    for name, value in chosen.items():
        if name in recorded and name != "steps" and recorded[name] != value:
            raise ConfigError(
                f"--{name.replace('_', '-')} {value} contradicts the run of {path}, which has {recorded[name]};"
                " leave it out, or start another run with -m"
            )
    text = corpus.read(corpora, encoding, config.lines)
    if text.facts.sha256 != model.facts.sha256:
        raise CorpusError(
            f"the text is not the one that the run of {path} learns: {text.facts.characters:,} characters in"
            f" {', '.join(text.facts.files)}, {model.facts.characters:,} in {', '.join(model.facts.files)} there;"
            " give the same text, or start another run with -m"
        )
    split = split_of(text, config)
    wanted = steps if epochs is None else math.ceil(epochs * split.training.per_epoch)
    longer = replace(config, steps=config.steps if wanted is None else wanted)
    if longer.steps < done:
        raise ConfigError(f"the run of {path} has done {done:,} steps already, more than {longer.steps:,}; give more")
    say(f"resume    after step {done:,}" + ", the last one: more --steps or --epochs go on" * (longer.steps == done))
    if longer.steps != config.steps:
        was, now = (optimizers.learning_rate(length, min(done, length.steps - 1)) for length in (config, longer))
        say(f"          the learning rate goes on along the curve of {longer.steps:,} steps: {now:.2g}, was {was:.2g}")
    return Plan(replace(model, training=longer), split, config.batch, run)


@contextmanager
def world_of(mpi: bool) -> Iterator[Team]:
    """Join the processes that mpirun started, if asked to; of an error that all of them meet, the first one speaks."""
    if not mpi:
        yield Serial()
        return
    from charlstm.parallel.mpi import MPI

    world = MPI()
    try:
        yield world
    except (CharlstmError, click.ClickException) as error:
        if world.rank == 0:
            raise
        raise click.exceptions.Exit(1) from error
    except click.exceptions.Exit:
        raise
    except BaseException:
        if world.size > 1:
            traceback.print_exc()
            world.abort()
        raise


def split_of(text: Corpus, config: TrainingConfig) -> Split:
    """Return the corpus as batches to learn and batches to be judged by."""
    if config.lines:
        return batches.split_lines(text.ids, text.vocabulary.id("\n"), config)
    return batches.split_stream(text.ids, config)


def learn(plan: Plan, path: Path, run: Path, world: Team, workers: int | None, quiet: bool, save_every: float) -> Model:
    """Train a model, save it and where the run stands now and then, and return the best with its history.

    Raises
    ------
    CharlstmError
        If training cannot go on, or the last save fails.
    click.exceptions.Exit
        After Ctrl-C or SIGTERM, once the step is finished and all is saved.
    """
    model, split, start = plan.model, plan.split, plan.run.standing if plan.run else None
    network, config, history = model.network, model.training, model.history
    best = plan.run.best if plan.run else network.parameters.flat.copy()
    least = min(history.validation[~np.isnan(history.validation)], default=math.inf)
    done, saved = start.step if start else 0, time.monotonic()
    with stop_signals() as received:

        def job(team: Team) -> Iterator[Progress]:
            return trainer.train(
                network,
                split.training,
                split.held_out,
                config,
                team,
                wants_to_stop=lambda: bool(received),
                wants_to_save=lambda: team.rank == 0 and time.monotonic() - saved > save_every,
                start=start,
            )

        with (
            shared(job, plan, world, workers, quiet) as team,
            Watch(config.steps, quiet or world.rank > 0, done) as watch,
        ):
            for progress in job(team):
                watch.show(progress)
                done = progress.step
                if progress.report is not None:
                    validation = math.nan if progress.validation is None else progress.validation
                    history = history.plus(done, progress.report, validation)
                if progress.standing is None:
                    continue
                better = math.inf if progress.validation is None else progress.validation
                improved = better < least or least == math.inf  # before a first measure, the newest are the best
                if improved:
                    least, best = better, progress.standing.weights.copy()
                saved = time.monotonic()
                if world.rank == 0:
                    model = replace(model, history=history)
                    save_or_remark(partial(checkpoint.save_run, Run(model, progress.standing, best), run))
                    if improved and done < config.steps:
                        save_or_remark(partial(checkpoint.save, model, path))
    if done and (not history.step.size or history.step[-1] < done):
        history = history.plus(done, watch.loss, math.nan)
    finished = replace(model, network=network.with_weights(best), history=history)
    if world.rank == 0:
        checkpoint.save(finished, path)
    if done < config.steps:
        if world.rank == 0:
            remark(
                f"stopped at step {done:,} of {config.steps:,}; what was learnt so far is in {path}, and the same"
                " command with --resume goes on"
            )
        raise click.exceptions.Exit(128 + (received or [signal.SIGTERM])[0])
    return finished


@contextmanager
def shared(job: Job, plan: Plan, world: Team, workers: int | None, quiet: bool) -> Iterator[Team]:
    """Start the processes that share the work on this machine, unless MPI's ranks do; yield this one's place."""
    weights, rows = plan.model.network.parameters.flat, plan.split.training.rows
    if workers is None:
        workers = recipe.workers(cores(), rows, weights.size, plan.split.characters / plan.split.training.per_epoch)
    with ExitStack() as stack:
        team = world
        if world.size == 1 and workers > 1:
            try:
                team = stack.enter_context(processes(workers, trainer.largest_sum(plan.model.network, rows), job))
            except CannotStartError as error:
                remark(f"{error}; going on in one")
        if not quiet and world.rank == 0:
            remark(f"work      {team.size} process{'es' * (team.size > 1)}")
        yield team


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Let the first Ctrl-C or SIGTERM only be noted, in the list that is yielded; a second one acts at once."""
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def save_or_remark(save: Callable[[], None]) -> None:
    """Save in the middle of a run; a failure is said, and the run goes on and tries again."""
    try:
        save()
    except CharlstmError as error:
        remark(f"{error}; training goes on")


def silence(text: str) -> None:
    """Say nothing."""


def say_plan(say: Callable[[str], None], plan: Plan) -> None:
    """Say what was read and what will be built."""
    model, split, config = plan.model, plan.split, plan.model.training
    facts, shape = model.facts, model.network.config
    say(
        f"read      {', '.join(facts.files)}: {facts.characters:,} characters, {len(model.vocabulary):,} distinct,"
        f" {facts.lines:,} lines"
    )
    if split.held_out is None:
        say("held out  nothing")
    else:
        part = "lines drawn at random" if config.lines else "the end of the text"
        say(f"held out  {config.val_fraction:.0%}: {split.held_out_characters:,} characters, {part}")
    say(
        f"build     {shape.cell}, {shape.layers} layer{'s' * (shape.layers > 1)} of {shape.hidden:,} units:"
        f" {model.network.parameters.flat.size:,} parameters"
    )
    width = "whole lines" if config.lines else f"rows of {config.seq_len:,} characters"
    say(
        f"train     {config.steps:,} steps of {config.batch:,} {width}:"
        f" {config.steps / split.training.per_epoch:.1f} epochs"
    )
    if config.batch < plan.batch:
        say(f"          the text is too small for a batch of {plan.batch:,}; it is {config.batch:,}")


def say_outcome(say: Callable[[str], None], model: Model, path: Path) -> None:
    """Say what came out."""
    history = model.history
    if history.step.size:
        train, validation = float(history.train[-1]), float(history.validation[-1])
        held_out = "" if math.isnan(validation) else f", held out {loss(validation)}"
        say(f"loss      training {loss(train)}{held_out} per character")
    say(f"wrote     {path}")


def loss(nats: float) -> str:
    """Return a loss in both units."""
    return f"{nats:.4f} nats ({nats / NATS_PER_BIT:.4f} bits)"
