"""From the options of `charlstm train` to a plan: what will be trained, on what, for how long."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from click.core import ParameterSource

from charlstm.cli.console import WrongUsage
from charlstm.cli.workers import shared
from charlstm.config import TrainingConfig, to_mapping
from charlstm.errors import CheckpointError, ConfigError, CorpusError
from charlstm.model import checkpoint
from charlstm.model.checkpoint import Run
from charlstm.model.model import Model
from charlstm.network.cells import CELLS
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.text import corpus
from charlstm.text.corpus import Corpus
from charlstm.text.documents import hash_lines
from charlstm.text.split import Split, split_corpus
from charlstm.training import recipe, schedule, trainer
from charlstm.training.processes import cores
from charlstm.training.team import Team
from charlstm.training.trainer import Progress, Requests

Say = Callable[[str], None]

OF_THE_NETWORK = set(to_mapping(NetworkConfig()))
FREE = {"steps", "patience"}
PROBE_SHARE = 0.02
PROBE_LEAST = 1.0
PROBE_WARM = 3
KEPT_FOR_THE_END = 0.01


class Plan(NamedTuple):
    """What will be trained, on what.

    Attributes
    ----------
    model : Model
        With its first weights.
    split : Split
        The corpus.
    workers : int
        Processes that share every batch on this machine.
    run : Run or None
        Where an earlier run stood, to go on from there.
    ends : float or None
        When the run shall be done, on the clock `time.monotonic`.
    """

    model: Model
    split: Split
    workers: int
    run: Run | None = None
    ends: float | None = None


def planned(
    say: Say,
    world: Team,
    begun: float,
    corpora: tuple[Path, ...],
    val: Path | None,
    init_from: Path | None,
    encoding: str,
    epochs: float | None,
    steps: int | None,
    seconds: float | None,
    workers: int | None,
    **settings: Any,
) -> Plan:
    """Read the corpus and choose what the user left open: what is None among the settings.

    Parameters
    ----------
    begun
        When the command began, on the clock `time.monotonic`.
    seconds
        How long it shall take; None where the steps are given or follow from the text.
    """
    _check(epochs, steps, seconds, settings)
    chosen = {name: value for name, value in settings.items() if value is not None}
    if val is not None:
        chosen["split"] = "file"
    origin = None
    if init_from is not None:
        origin = checkpoint.load(init_from)
        chosen |= _shape_of(origin, init_from)
    files = corpora if val is None else (*corpora, val)
    text = corpus.read(files, encoding, chosen["lines"], origin.vocabulary if origin else None)
    for note in text.remarks:
        say(note)

    plan = _plan(text, recipe.work(text.facts.characters), chosen, epochs, steps, workers)
    if seconds is not None:
        ends = begun + seconds * (1.0 - KEPT_FOR_THE_END)
        pace = _pace(plan, world, max(PROBE_LEAST, PROBE_SHARE * seconds))
        plan = _plan(text, pace * max(ends - time.monotonic(), 0.0), chosen, epochs, steps, workers)
        every = plan.model.training.validate_every or -(-plan.model.training.steps // trainer.VALIDATIONS)
        config = replace(plan.model.training, validate_every=every)
        plan = plan._replace(model=replace(plan.model, training=config), ends=ends)
    if chosen["lines"]:
        plan = plan._replace(model=replace(plan.model, lines=hash_lines(text.ids, text.vocabulary)))
    plan.model.network.initialise(plan.model.training.random_seed)
    if origin is not None:
        known = plan.model.take_over(origin)
        new = len(text.vocabulary) - known
        say(f"from      {init_from}: {known:,} characters known, {new:,} new")
    return plan


def _check(epochs: float | None, steps: int | None, seconds: float | None, settings: dict[str, Any]) -> None:
    """Refuse what cannot be meant."""
    lengths = [name for name, value in (("epochs", epochs), ("steps", steps), ("time", seconds)) if value is not None]
    if len(lengths) > 1:
        raise WrongUsage(f"--{lengths[0]} and --{lengths[1]} both say how long to train; give one of them.")
    if settings["curriculum"] and not settings["lines"]:
        raise WrongUsage("--curriculum orders lines; give --lines with it, or leave it out.")
    cell = settings["cell"]
    initialised = settings["forget_bias"] is not None or settings["chrono_init"] is not None
    if initialised and CELLS[cell].forget_gate is None:
        raise WrongUsage(f"--forget-bias and --chrono-init initialise a forget gate; the {cell} has none.")
    if settings["forget_bias"] is not None and settings["chrono_init"]:
        raise WrongUsage("--forget-bias and --chrono-init both say how memories start; give one of them.")
    if settings["lines"] and settings["split"] == "stripes":
        raise WrongUsage("--split stripes is for a text read as one; with --lines, lines are drawn at random.")
    if seconds is not None and not settings["decay"]:
        raise WrongUsage("--time plans when the rate falls; leave out --no-decay, or give --steps.")


def _plan(
    text: Corpus, work: float, chosen: dict[str, Any], epochs: float | None, steps: int | None, workers: int | None
) -> Plan:
    """Return the plan for so much work, the weights still zero: by what was chosen, and for the rest by the recipe."""
    settings = recipe.settings(text.facts.characters, text.facts.lines, work, epochs, steps, chosen)
    of_the_network = {name: settings.pop(name) for name in OF_THE_NETWORK & set(settings)}
    split = split_corpus(text, TrainingConfig(trainer.MOST_STEPS, **settings))
    if not {"forget_bias", "chrono_init"} & set(of_the_network):
        of_the_network |= {"chrono_init": split.longest_line} if settings["lines"] else {}
    network = Network(NetworkConfig(**of_the_network), len(text.vocabulary))
    predictions = split.training_characters / split.training.per_epoch
    if epochs is not None:
        steps = math.ceil(epochs * split.training.per_epoch)
    elif steps is None:
        steps = recipe.steps(work, network.multiplications, predictions, split.training.per_epoch)
    config = TrainingConfig(steps, **settings | {"batch_size": split.training.rows})
    if workers is None:
        workers = recipe.workers(cores(), config.batch_size, network.parameters.flat.size, predictions)
    return Plan(Model(network, text.vocabulary, config, text.facts), split, workers)


def _pace(plan: Plan, world: Team, seconds: float) -> float:
    """Train for so long on trial; return the multiplications done in a second."""
    network, begun = plan.model.network, time.monotonic()
    network.initialise(0)
    config = replace(plan.model.training, steps=trainer.MOST_STEPS, validate_every=trainer.MOST_STEPS, patience=0)

    def job(team: Team) -> Iterator[Progress]:
        def requests(done: int) -> Requests:
            late = time.monotonic() - begun > seconds
            return Requests(stop=team.rank == 0 and done > PROBE_WARM and late)

        return trainer.train(network, plan.split.training, None, config, team, requests)

    characters, since = 0, begun
    with shared(job, network, plan.split, world, plan.workers, lambda text: None) as team:
        for progress in job(team):
            if progress.step <= PROBE_WARM:
                since = time.monotonic()
            else:
                characters += progress.characters
        took = time.monotonic() - since
    pace = np.array([recipe.LEARNING * network.multiplications * characters / took * (world.rank == 0)])
    world.all_reduce(pace)
    return float(pace[0])


def _shape_of(origin: Model, path: Path) -> dict[str, Any]:
    """Return the settings of the network to go on from; what the command line says against them is refused."""
    shape = to_mapping(origin.network.config)
    del shape["dropout"]
    for name, value in given().items():
        if name in shape and shape[name] != value:
            raise ConfigError(
                f"{option(name, value)} contradicts {path}, which has {shape[name]}; leave it out, or --init-from"
            )
    return shape


def given() -> dict[str, Any]:
    """Return the settings that stand on the command line, without the defaults."""
    context = click.get_current_context()
    stands = ParameterSource.COMMANDLINE
    return {name: value for name, value in context.params.items() if context.get_parameter_source(name) is stands}


def resumed(
    say: Say,
    path: Path,
    corpora: tuple[Path, ...],
    val: Path | None,
    encoding: str,
    epochs: float | None,
    steps: int | None,
    workers: int | None,
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
    chosen = given()
    for name in ("seconds", "init_from"):
        if name in chosen:
            raise WrongUsage(f"{option(name)} begins a new run; leave it out of --resume, or give --steps to go on.")
    if (val is not None) != (config.split == "file"):
        raise WrongUsage(f"the run of {path} is judged by {'--val' if val is None else 'a part of its corpus'}.")
    for name, value in chosen.items():
        if name in recorded and name not in FREE and recorded[name] != value:
            raise ConfigError(
                f"{option(name, value)} contradicts the run of {path}, which has {recorded[name]};"
                " leave it out, or start another run with -m"
            )
    text = corpus.read(corpora if val is None else (*corpora, val), encoding, config.lines, model.vocabulary)
    if text.facts.sha256 != model.facts.sha256:
        raise CorpusError(
            f"the text is not the one that the run of {path} learns: {text.facts.characters:,} characters in"
            f" {', '.join(text.facts.files)}, {model.facts.characters:,} in {', '.join(model.facts.files)} there;"
            " give the same text, or start another run with -m"
        )
    split = split_corpus(text, config)
    wanted = steps if epochs is None else math.ceil(epochs * split.training.per_epoch)
    longer = replace(
        config,
        steps=config.steps if wanted is None else wanted,
        patience=chosen.get("patience", config.patience),
    )
    if longer.steps < done:
        raise ConfigError(f"the run of {path} has done {done:,} steps already, more than {longer.steps:,}; give more")
    say(f"resume    after step {done:,}" + ", the last one: more --steps or --epochs go on" * (longer.steps == done))
    if longer.steps != config.steps:
        was, now = (schedule.learning_rate(length, min(done, length.steps - 1)) for length in (config, longer))
        say(f"          the learning rate goes on along the curve of {longer.steps:,} steps: {now:.2g}, was {was:.2g}")
    if workers is None:
        parameters, predictions = (
            model.network.parameters.flat.size,
            split.training_characters / split.training.per_epoch,
        )
        workers = recipe.workers(cores(), config.batch_size, parameters, predictions)
    return Plan(replace(model, training=longer), split, workers, run)


def option(name: str | None, value: Any = None) -> str:
    """Return an option as it stands on a command line; True and False are of flags."""
    parameter = next(one for one in click.get_current_context().command.params if one.name == name)
    word = max(parameter.secondary_opts if value is False else parameter.opts, key=len)
    if parameter.multiple:
        return " ".join(f"{word} {' '.join(map(str, one))}" for one in value or [()])
    return word if value is None or isinstance(value, bool) else f"{word} {shlex.quote(str(value))}"
