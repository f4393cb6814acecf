"""The messages of `charlstm train`: the plan before the first step, and the outcome after the last one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from charlstm.base.config import AUTO, TrainingConfig
from charlstm.base.errors import spell_names
from charlstm.base.symbols import END
from charlstm.cli.spelling import quote, spell_option
from charlstm.inspection.view import count_of
from charlstm.model.model import Model
from charlstm.text.documents import LINE, STREAM
from charlstm.text.records import EXAMINED
from charlstm.text.remarks import describe_names
from charlstm.training import run_file
from charlstm.training.options import Options
from charlstm.training.plan import Plan
from charlstm.training.recipe import choose_val_fraction
from charlstm.training.run import Outcome, to_bits
from charlstm.training.schedule import learning_rate
from charlstm.training.trainer import stops_early

PARTS = {"tail": "the end of the text", "tails": "the end of each file", "stripes": "stripes from all over the text"}
INDENT = 10 * " "
MOST_PATHS = 20
OVERFITTING = 0.02
STILL_IMPROVING = 0.005
WORTH_SAYING = 0.05


def describe_plan(plan: Plan, processes: int) -> Iterator[str]:
    """Yield the lines about a plan: the corpus, the network, the length of the run, and the options that repeat it."""
    model, split, config, options = plan.model, plan.split, plan.model.training, plan.options
    facts, shape = model.facts, model.network.config
    yield from (spell_names(note, spell_option) for note in plan.notes)
    if plan.origin is not None:
        ours, theirs = (set(one.vocabulary.characters) - {END} for one in (model, plan.origin))
        yield f"from      {options.init_from}: {len(theirs):,} characters known, {len(ours - theirs):,} new"
    named = config.documents in (STREAM, LINE)
    documents = "" if named else f", {count_of(split.hashes.size, 'distinct document')}"
    documents += f" with {count_of(len(facts.labels), 'label')}" if facts.labels else ""
    yield (
        f"read      {describe_names(facts.files)}: {count_of(facts.characters, 'character')},"
        f" {len(model.vocabulary) - bool(model.documents):,} distinct, {count_of(facts.lines, 'line')}{documents}"
    )
    if plan.records is not None:
        number, separated_by, documents_wanted = plan.records
        option = spell_option("documents", documents_wanted)
        where = f" in its first {EXAMINED:,} characters" if facts.characters > EXAMINED else ""
        yield f"{INDENT}{number:,} records separated by {separated_by}{where}: {option} reads each as a document"
    yield f"validate  {_describe_validation(plan)}"
    if model.counts is not None:
        sizes = model.counts.ngrams.sizes
        yield (
            f"count     {count_of(int(sizes.sum()), 'n-gram')} of up to {count_of(len(sizes), 'character')},"
            f" {count_of(len(model.counts.words.hashes), 'distinct word')}"
        )
    yield (
        f"build     {shape.cell}, {count_of(shape.layers, 'layer')} of {count_of(shape.hidden, 'unit')}:"
        f" {count_of(model.network.parameters.flat.size, 'parameter')}"
    )
    row = _unit(config) if config.documents else "row"
    length = "" if config.documents == LINE else f" of {count_of(config.seq_len, 'character')}"
    epochs = f"{config.steps / split.training.per_epoch:.1f}"
    yield (
        f"train     {count_of(config.steps, 'step')} of {count_of(config.batch_size, row)}{length}:"
        f" {epochs} epoch{'s' * (epochs != '1.0')}"
    )
    wanted = options.batch_size or config.batch_size
    if config.batch_size < wanted:
        yield f"{INDENT}the text is too small for a batch size of {wanted:,}; it is {config.batch_size:,}"
    yield from _describe_resuming(plan)
    yield f"options   {' '.join(spell_option(*setting) for setting in plan.settings().items())}"
    yield f"work      {processes:,} process{'es' * (processes != 1)}"


def _describe_validation(plan: Plan) -> str:
    split, config = plan.split, plan.model.training
    if split.validation is None:
        is_short = config.split != "file" and config.val_fraction == choose_val_fraction(plan.model.facts.characters)
        why = f": the text is short; {spell_option('val_fraction', TrainingConfig.val_fraction)} makes a validation set"
        return f"nothing{why * is_short}"
    characters = count_of(split.validation_characters, "character")
    if split.measured_characters < split.validation_characters:
        characters += f", of which {split.measured_characters:,} are measured"
    if config.split == "file":
        return f"{plan.model.facts.files[-1]}: {characters}"
    part = f"a random sample of the {_unit(config)}s" if config.documents else PARTS[config.split]
    return f"{config.val_fraction:.0%}: {characters}, {part}"


def _unit(config: TrainingConfig) -> str:
    """Return what a document is called."""
    return "line" if config.documents == LINE else "document"


def _describe_resuming(plan: Plan) -> Iterator[str]:
    if plan.state is None or plan.earlier is None:
        return
    done, config = plan.state.step, plan.model.training
    last = ""
    if config.steps == done:
        last = ", the last one: more --steps or --epochs make the run longer"
    elif stops_early(config, plan.state.best, done):
        last = f", where it stopped early: {spell_option('patience', 0)} lets it go on"
    yield f"resume    after step {done:,}{last}"
    if config.steps != plan.earlier.steps:
        was, now = (learning_rate(each, min(done, each.steps - 1)) for each in (plan.earlier, config))
        yield (
            f"{INDENT}the learning rate follows the schedule of {count_of(config.steps, 'step')}: {now:.2g},"
            f" was {was:.2g}"
        )


def describe_outcome(outcome: Outcome) -> Iterator[str]:
    """Yield the lines about the outcome: how to repeat the run, the losses and what they mean, the file."""
    model, plan, interrupted_by, is_saved = outcome
    history, config, options = model.history, model.training, plan.options
    done = int(history.step[-1]) if history.step.size else 0
    if interrupted_by is not None:
        stopped = f"stopped at step {done:,} of {config.steps:,}; the model so far is in {options.model}"
        if not is_saved:
            yield f"{stopped}; the run cannot be resumed from this step, because its run file could not be written"
            return
        again = ", with the same text piped in" if "" in plan.record.corpora else ""
        yield f"{stopped}; to continue the run{again}:"
        yield f"{INDENT}{spell_resuming(plan)}"
        return
    if plan.deadline is not None:
        again = ", with the same text piped in" if "" in plan.record.corpora else ""
        change = compare_steps(config.steps, plan.model.training.steps)
        yield f"steps     {config.steps:,} in that time{change}; to repeat the run without a clock{again}:"
        yield f"{INDENT}{spell_repetition(plan)}"
    if done < config.steps:
        yield f"patience  ended the run after step {done:,} of {config.steps:,}: {_describe_patience(model)}"
    if history.step.size:
        yield from _describe_losses(model, plan)
    yield f"wrote     {options.model}"
    if options.model is not None and run_file.path_beside(options.model).exists():  # no step, no run file
        yield f"{INDENT}{_name_run_file(options.model)} holds the run for --resume; delete it once the run is finished"


def _name_run_file(model: Path) -> str:
    """Return the path of the run file beside a model file, as short as the user gave that of the model."""
    run = run_file.path_beside(model)
    beside = model.with_name(run.name)
    return str(beside if beside.parent.resolve() == run.parent else run)


def compare_steps(steps: int, planned: int) -> str:
    """Return how the number of steps of a timed run differs from the plan; nothing if the pace was as expected.

    Examples
    --------
    >>> compare_steps(750, 1000), compare_steps(990, 1000)
    (', 25% fewer than planned: the learning rate followed the time', '')
    """
    change = steps / max(planned, 1) - 1.0
    if abs(change) < WORTH_SAYING:
        return ""
    return f", {abs(change):.0%} {'more' if change > 0 else 'fewer'} than planned: the learning rate followed the time"


def _describe_patience(model: Model) -> str:
    """Return why a run stopped early."""
    patience, validations = model.training.patience, model.history.validations
    if patience != AUTO:
        return f"{count_of(int(patience), 'validation')} in a row without improvement"
    best = int(validations.step[validations.validation_loss.argmin()])
    return f"the validation loss was lowest at step {best:,}; {spell_option('patience', 0)} turns this off"


def _describe_losses(model: Model, plan: Plan) -> Iterator[str]:
    history, validations = model.history, model.history.validations
    last = float(history.training_loss[-1])
    yield f"loss      training {to_bits(last):.4f} bits ({last:.4f} nats) per character"
    if validations.step.size:
        best = float(validations.validation_loss.min())
        of_documents = f"; {to_bits(best * plan.split.characters_per_document):.1f} bits per {_unit(model.training)}"
        yield f"{INDENT}validation {to_bits(best):.4f} bits per character{of_documents if model.documents else ''}"
        if model.counts is not None and model.counts.mixture_loss is not None:
            yield (
                f"counts    validation {to_bits(model.counts.ngram_loss or 0.0):.4f} bits per character"
                f"\n{INDENT}mixed with the network at weight {model.counts.weight:g}:"
                f" {to_bits(model.counts.mixture_loss):.4f} bits"
            )
        advice = advise(validations.validation_loss.tolist(), validations.step.tolist(), plan.split.is_alike)
        if advice:
            yield f"{INDENT}{advice}"


def advise(losses: list[float], steps: list[int], is_alike: bool = True) -> str:
    """Return advice about the length of a run from its validation losses; nothing if it was good.

    Parameters
    ----------
    losses
        Validation losses in nats per character, in order.
    steps
        Steps done at each of them.
    is_alike
        Whether the validation set is the same kind of text as the training set.
    """
    least = losses.index(min(losses))
    best, last = losses[least], losses[-1]
    if last > best * (1.0 + OVERFITTING) and not is_alike:
        return (
            f"The validation loss was lowest at step {steps[least]:,}, and the weights of that step were kept. It is"
            " the loss of another kind of text than the training set."
        )
    if last > best * (1.0 + OVERFITTING):
        return (
            f"The model began to overfit after step {steps[least]:,}; the weights of that step were kept."
            " Use more text, more --dropout or fewer steps."
        )
    if least == len(losses) - 1 > 0 and losses[-2] - last > STILL_IMPROVING * last:
        return "The validation loss was still falling at the end; train longer with more --steps or --time."
    return ""


def spell_repetition(plan: Plan) -> str:
    """Return the command that repeats a timed run into a model file that does not exist yet."""
    options, record = plan.options, plan.record
    model = Path(options.model or "charlstm.npz")
    names = (model.with_name(f"{model.stem}-again{number}{model.suffix}") for number in ("", *range(2, 1000)))
    new = next((name for name in names if not name.exists()), model)
    corpora = [str(path) if absolute else "-" for path, absolute in zip(options.corpora, record.corpora, strict=True)]
    words = ["charlstm", "train", *spell_corpora(corpora), "--repeat", quote(model)]
    files = [spell_option(*setting) for setting in options.given_files().items()]
    return " ".join([*words, "-m", quote(new), *files])


def spell_corpora(paths: Sequence[str]) -> list[str]:
    """Return text files as the command line has them; of very many only a word that stands for them."""
    return [quote(path) for path in paths] if len(paths) <= MOST_PATHS else [f"<the same {len(paths):,} files>"]


def spell_resuming(plan: Plan) -> str:
    """Return the command that resumes a run: what the run file records is left out."""
    options, record = plan.options, plan.record
    corpora = [path or "-" for path in record.corpora] if "" in record.corpora else []
    val = options.val if options.val is not None and not record.val else None
    differing = {"save_every": f"{options.save_every:g}s", "preview": options.preview, "mpi": options.mpi}
    chosen = {name: value for name, value in differing.items() if getattr(options, name) != getattr(Options, name)}
    words = ["charlstm", "train", *spell_corpora(corpora), "--resume", f"-m {quote(options.model)}"]
    words += [spell_option(*each) for each in ({"val": val} | chosen).items() if each[1] is not None]
    return " ".join(words)
