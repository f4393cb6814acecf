"""What is said of a run: the plan before it begins, the outcome at its end."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click

from charlstm.cli.plan import Plan, Say, given, option
from charlstm.config import to_mapping
from charlstm.model.model import Model
from charlstm.network.loss import NATS_PER_BIT

PARTS = {"tail": "the end of the text", "stripes": "stripes from all over the text"}
INDENT = 10 * " "
WIDTH = 80
LEARNT_BY_HEART = 0.02
STILL_LEARNING = 0.005


def say_plan(say: Say, plan: Plan) -> None:
    """Say what was read, what will be built, and the options that say the same."""
    model, split, config = plan.model, plan.split, plan.model.training
    facts, shape = model.facts, model.network.config
    say(
        f"read      {', '.join(facts.files)}: {facts.characters:,} characters, {len(model.vocabulary):,} distinct,"
        f" {facts.lines:,} lines"
    )
    say(f"held out  {_held_out(plan)}")
    say(
        f"build     {shape.cell}, {shape.layers} layer{'s' * (shape.layers > 1)} of {shape.hidden:,} units:"
        f" {model.network.parameters.flat.size:,} parameters"
    )
    width = "whole lines" if config.lines else f"rows of {config.seq_len:,} characters"
    say(
        f"train     {config.steps:,} steps of {config.batch_size:,} {width}:"
        f" {config.steps / split.training.per_epoch:.1f} epochs"
    )
    wished = given().get("batch_size", config.batch_size)
    if config.batch_size < wished:
        say(f"          the text is too small for a batch of {wished:,}; it is {config.batch_size:,}")
    say(f"options   {in_lines(_options(plan))}")


def _held_out(plan: Plan) -> str:
    split, config = plan.split, plan.model.training
    if split.validation is None:
        return "nothing"
    characters = f"{split.validation_characters:,} characters"
    if split.measured_characters < split.validation_characters:
        characters += f", of which {split.measured_characters:,} are measured"
    if config.split == "file":
        return f"{plan.model.facts.files[-1]}: {characters}"
    part = "lines drawn at random" if config.lines else PARTS[config.split]
    return f"{config.val_fraction:.0%}: {characters}, {part}"


def _options(plan: Plan) -> list[str]:
    """Return the options that repeat the run, whoever chose them: all that are not as they would be anyway."""
    shape = to_mapping(plan.model.network.config)
    unsaid = {"split"} if plan.model.training.split == "file" else set()
    unsaid |= {"seq_len"} if plan.model.training.lines else set()
    unsaid |= {"forget_bias"} if shape["chrono_init"] else {"chrono_init"}
    unsaid |= {"forget_bias", "chrono_init"} if plan.model.network.cell.forget_gate is None else set()
    recorded = shape | to_mapping(plan.model.training) | {"workers": plan.workers}
    parameters = click.get_current_context().command.params
    for name in ("val", "init_from", "encoding"):
        recorded[name] = click.get_current_context().params[name]
    return [
        option(parameter.name, value)
        for parameter in parameters
        if parameter.name not in unsaid
        and (value := recorded.get(parameter.name or "")) not in (None, (), parameter.default)
        and (value is not False or parameter.secondary_opts)
    ]


def say_outcome(say: Say, plan: Plan, model: Model, path: Path) -> None:
    """Say what came out, and what that means."""
    history, config = model.history, model.training
    if plan.ends is not None:
        say(f"steps     {config.steps:,}; without a clock, the options above repeat the run with")
        say(INDENT + in_lines([option("steps", config.steps), *([option("turns", config.turns)] * bool(config.turns))]))
    judged = history.judged
    if history.step.size and history.step[-1] < config.steps:
        say(
            f"patience  ended the run: {config.patience:,} validations in a row were no better, after step"
            f" {int(history.step[-1]):,} of {config.steps:,}"
        )
    if history.step.size:
        say(f"loss      training {loss(float(history.train[-1]))} per character")
        if judged.step.size:
            least = int(judged.validation.argmin())
            best = float(judged.validation[least])
            line = f"; {best * plan.split.characters_per_line / NATS_PER_BIT:.1f} bits a line" if config.lines else ""
            say(f"          held out {loss(best)} per character{line}")
            advice = verdict(judged.validation.tolist(), judged.step.tolist())
            if advice:
                say(f"          {advice}")
    say(f"wrote     {path}")


def verdict(validations: list[float], steps: list[int]) -> str:
    """Return what the held-out losses of a run say about its length, in a sentence; nothing where all is well.

    Parameters
    ----------
    validations
        In nats per character, in their order.
    steps
        The steps after which they were measured.
    """
    least = validations.index(min(validations))
    best, last = validations[least], validations[-1]
    if last > best * (1.0 + LEARNT_BY_HEART):
        return (
            f"It began to learn by heart: the held-out part was predicted best after step {steps[least]:,}, and those"
            " weights were kept. More text, more --dropout or fewer steps help."
        )
    if least == len(validations) - 1 > 0 and validations[-2] - last > STILL_LEARNING * last:
        return "It was still getting better at the end: more --steps or --time will pay."
    return ""


def loss(nats: float) -> str:
    """Return a loss in both units."""
    return f"{nats:.4f} nats ({nats / NATS_PER_BIT:.4f} bits)"


def in_lines(options: list[str]) -> str:
    """Return options as one text, broken into lines that go on under what stands behind a word such as «options»."""
    lines = textwrap.wrap(" ".join(options), WIDTH - len(INDENT), break_long_words=False, break_on_hyphens=False)
    return f"\n{INDENT}".join(lines)
