"""From options to a plan: the network, the training set, the settings, and how long to train.

A plan is made for a new run, for one to resume, or for one to repeat.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from charlstm.base.config import AUTO, TrainingConfig, to_mapping
from charlstm.base.errors import ConfigError, CorpusError, named
from charlstm.model import checkpoint
from charlstm.model.checkpoint import Run, RunRecord, RunState
from charlstm.model.counts import Counts
from charlstm.model.model import Model
from charlstm.network.cells import CELLS
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.network.weights import weight_shapes
from charlstm.text import corpus
from charlstm.text.corpus import Corpus, Prepare
from charlstm.text.documents import FILE, LINE, ROW, STREAM, Documents
from charlstm.text.examples import choose_examples
from charlstm.text.records import Records, find_records
from charlstm.text.remarks import describe_names
from charlstm.text.sources import FIELD_LABEL, count_files, is_folder
from charlstm.text.split import Split, split_corpus
from charlstm.text.tables import find_table_kind
from charlstm.training import recipe, run_file, trainer, trial
from charlstm.training.counting import count_training_set
from charlstm.training.durations import format_duration
from charlstm.training.options import AUTOMATIC, DEFAULTS, ENCODING, OF_THE_NETWORK, OptionError, Options, literal
from charlstm.training.processes import count_cores, memory_of_the_machine
from charlstm.training.team import Team

NOT_OPTIONS = frozenset({"workers", "changed_on_resume", "origin", "labels"})
CHANGED_BY_RESUMING = frozenset({"steps", "patience", "workers"})
RESERVED_FOR_THE_END = 0.01


class Plan(NamedTuple):
    """A training run before it starts.

    Attributes
    ----------
    options : Options
        The options of the run; those of a resumed run have the files that its run file records.
    model : Model
        The model with its first weights.
    split : Split
        The training set and the validation set.
    workers : int
        Processes on this machine that share every batch.
    notes : tuple of str
        What reading the corpus changed.
    state : RunState or None
        State of the run to resume.
    earlier : TrainingConfig or None
        Settings of the run to resume, before it got another number of steps.
    deadline : float or None
        When the run should end, on the clock `time.monotonic`.
    origin : Model or None
        The model that gave the first weights.
    record : RunRecord
        What the run file records of the run.
    records : Records or None
        What a stream seems to consist of, if the user did not say whether it is one.
    """

    options: Options
    model: Model
    split: Split
    workers: int
    notes: tuple[str, ...] = ()
    state: RunState | None = None
    earlier: TrainingConfig | None = None
    deadline: float | None = None
    origin: Model | None = None
    record: RunRecord = RunRecord()
    records: Records | None = None

    def settings(self) -> dict[str, Any]:
        """Return the options that give the same run, by name: all that are automatic or differ from their defaults."""
        recorded = _recorded(self.model) | {"workers": self.workers}
        config = self.model.training
        split = choose_split(count_files(self.model.facts.files), config.documents)
        documents = choose_documents(replace(self.options, documents=None, lines=None))
        automatic = {
            "warmup": recipe.choose_warmup(config.steps),
            "patience": choose_patience(self.split, config),
            "val_fraction": recipe.choose_val_fraction(self.model.facts.characters),
            "split": split,
            "documents": documents,
        }
        defaults = {**DEFAULTS, **automatic}
        implied = {"schedule_changes"} | ({"split", "val_fraction"} if config.split == "file" else set())
        implied |= {"seq_len"} if config.documents == LINE else set()
        implied |= {"forget_bias"} if recorded["chrono_init"] else {"chrono_init"}
        implied |= {"forget_bias", "chrono_init"} if self.model.network.cell.forget_gate is None else set()
        differing = {
            name: value
            for name, value in recorded.items()
            if name not in implied and (name in AUTOMATIC or value != defaults[name])
        }
        without = {} if self.model.examples or self.split.validation is None else {"examples": False}
        counts = {} if self.options.counts is None else {"counts": self.options.counts}
        return differing | self.options.given_files() | without | counts


def plan_run(
    options: Options,
    run: Run | None,
    what: str,
    world: Team,
    started: float,
    announce: Callable[[str], object] = lambda message: None,
    prepare: Prepare = lambda phase, done, total: None,
) -> Plan:
    """Return the plan of a run.

    Parameters
    ----------
    options
        What the user wants.
    run
        The run to resume.
    what
        What errors call that run.
    world
        MPI's ranks, or a team of one.
    started
        When the program started the run, on the clock `time.monotonic`.
    announce
        Receives a message about work that takes seconds.
    prepare
        Receives how much of a phase is done; see `Watcher.prepare`.

    Raises
    ------
    ConfigError
        If options contradict each other or the run to resume or to repeat.
    CheckpointError
        If a model file or run file cannot be used.
    CorpusError
        If the corpus cannot be read, is too small, or is not that of the run to resume or to repeat.
    """
    if run is not None:
        return _plan_resumed(options, run, what, world, started, announce, prepare)
    if options.repeat is not None:
        plan = _plan_repeated(options, options.repeat, world, announce, prepare)
    else:
        plan = _plan_new(options, world, started, announce, prepare)
    return plan._replace(record=run_file.describe(plan.options))


def check_options(options: Options) -> None:
    """Raise OptionError if options contradict each other."""
    lengths = [name for name in ("epochs", "steps", "time") if getattr(options, name) is not None]
    if len(lengths) > 1:
        first, second = lengths[:2]
        raise OptionError(
            f"{{{first}}} and {{{second}}} both set the length of the run; give one of them",
            **dict.fromkeys(lengths[:2]),
        )
    if options.resume and options.repeat is not None:
        raise OptionError("{resume} and {repeat} exclude each other; give one of them", resume=True, repeat=None)
    for name in ("time", "epochs") if options.repeat is not None else ():
        if getattr(options, name) is not None:
            raise OptionError(f"{{{name}}} begins a new run; give it without {{repeat}}", **{name: None}, repeat=None)
    if options.resume and options.model is None:
        raise OptionError("{resume} needs the model file of the run; give {model}", resume=True, model=None)
    if options.mpi and options.workers is not None:
        raise OptionError("{mpi} uses the processes that mpirun started; leave out {workers}", mpi=True, workers=None)
    if options.resume or options.repeat is not None:
        return  # all other options must agree with the recorded settings
    is_cut = bool(choose_documents(options))
    if options.curriculum and not is_cut:
        raise OptionError(
            "{curriculum} orders documents by length; give {documents} with it", curriculum=None, documents=None
        )
    if options.label and not is_cut and not options.label.startswith(FIELD_LABEL):  # reading demands a field for it
        raise OptionError("{label} is for documents; give {documents} with it", label=options.label, documents=None)
    cell = options.cell or DEFAULTS["cell"]
    initialised = options.forget_bias is not None or options.chrono_init is not None
    if initialised and cell in CELLS and CELLS[cell].forget_gate is None:
        raise OptionError(
            f"{{forget_bias}} and {{chrono_init}} initialise a forget gate; the {cell} has none",
            forget_bias=None,
            chrono_init=None,
        )
    if options.forget_bias is not None and options.chrono_init:
        raise OptionError(
            "{forget_bias} and {chrono_init} both initialise the forget gate; give one of them",
            forget_bias=None,
            chrono_init=None,
        )
    if is_cut and options.split not in (None, "random"):
        raise OptionError(
            "{split} is for streams; with {documents} the validation set is a random sample of the documents",
            split=options.split,
            documents=None,
        )
    if options.time is not None and options.decay is False:
        raise OptionError("{time} plans the decay of the learning rate; leave out {decay}", time=None, decay=False)


def _plan_new(
    options: Options, world: Team, started: float, announce: Callable[[str], object], prepare: Prepare
) -> Plan:
    """Plan a new run: read the corpus, and let the recipe choose what the user leaves open."""
    chosen = {"documents": choose_documents(options)} | options.given()
    chosen = {name: value for name, value in chosen.items() if name not in ("steps", "workers")}
    if options.val is not None:
        chosen["split"] = "file"
    origin = None
    if options.init_from is not None:
        origin = checkpoint.load(options.init_from)
        shape = to_mapping(origin.network.config)
        del (
            shape["dropout"],
            shape["weight_dropout"],
            shape["labels"],
        )  # of the new run
        _check_agrees(options, shape, str(options.init_from), "leave it out, or start from random weights")
        chosen |= shape | {"origin": origin.digest}
    documents, known = Documents(chosen["documents"]), origin.vocabulary if origin else None
    label = chosen.get("label", "")
    text = corpus.read(options.files, options.encoding or ENCODING, documents, known, options.field, label, prepare)
    if "split" not in chosen:
        chosen["split"] = choose_split(count_files(text.facts.files), chosen["documents"])
        chosen.setdefault("val_fraction", recipe.choose_val_fraction(text.facts.characters))

    plan = _choose(text, recipe.choose_work(text.facts.characters), chosen, options)
    counts = _count(plan, text, world, announce)
    if options.time is not None:
        deadline = started + options.time * (1.0 - RESERVED_FOR_THE_END)
        trials = trial.choose_trials(options.time)
        announce(f"measure   the speed of this machine, for about {format_duration(sum(trials))}")
        for seconds in trials:
            pace = trial.measure_pace(plan.model, plan.split, plan.workers, world, seconds, prepare)
            plan = _choose(text, pace * max(deadline - time.monotonic(), 0.0), chosen, options)
        every = plan.model.training.validate_every or -(-plan.model.training.steps // trainer.VALIDATIONS)
        config = replace(plan.model.training, validate_every=every)
        plan = plan._replace(model=replace(plan.model, training=config), deadline=deadline)
    if options.documents is None and not chosen["documents"]:
        tables = [name for name in text.facts.files if find_table_kind(name)]
        note = (
            f"{describe_names(tables)} {'is a table' if len(tables) == 1 else 'are tables'} and read as text, with all"
            f" delimiters and quotes; {named('field')} names the field of each row that is a document"
        )
        plan = plan._replace(notes=(*plan.notes, note)) if tables else plan._replace(records=find_records(text))
    if options.examples:
        examples = choose_examples(text, plan.split.validation_spans, plan.split.validation_labels)
        plan = plan._replace(model=replace(plan.model, examples=examples))
    return _initialise(plan._replace(model=replace(plan.model, counts=counts)), origin)


def _count(plan: Plan, text: Corpus, world: Team, announce: Callable[[str], object]) -> Counts | None:
    """Return the counts of the training set if the options ask for them; of MPI's ranks, only rank 0 has them."""
    order = plan.options.counts
    if order is None or world.rank:
        return None
    announce(f"count     the n-grams of up to {order} characters")
    return count_training_set(plan.model, plan.split, text.ids, order)


def choose_documents(options: Options) -> str:
    """Return how the texts of a run are cut into documents: as the user says, or by what the user gives."""
    if options.documents is not None:
        return options.documents
    if options.field is not None:
        return ROW
    return FILE if any(map(is_folder, options.corpora)) else STREAM


def choose_split(files: int, documents: str) -> str:
    """Return the kind of split of a corpus with a given number of files if the user chooses none."""
    if documents:
        return "random"
    return "tails" if files > 1 else "tail"


def choose_patience(split: Split, config: TrainingConfig) -> int | str:
    """Return when a run stops early if the user does not say it.

    Runs that start from another model, or with short documents, can improve after a long time in which they do not: the
    first validations are measured while the learning rate rises, and while long documents are rare.
    """
    return 0 if split.validation is None or config.origin or config.curriculum else AUTO


def _choose(text: Corpus, work: float, chosen: Mapping[str, Any], options: Options) -> Plan:
    """Return the plan for an amount of work, with zero weights: as the user chose, and for the rest by the recipe."""
    lengths = text.document_lengths  # (K,)
    settings = recipe.choose_settings(text.facts.characters, lengths, work, options.epochs, options.steps, dict(chosen))
    of_the_network = {name: settings.pop(name) for name in OF_THE_NETWORK & set(settings)}
    split = split_corpus(text, TrainingConfig(trainer.MOST_STEPS, **settings))
    if not {"forget_bias", "chrono_init"} & set(of_the_network):
        of_the_network |= recipe.choose_memory(split.longest_document, settings)
    config = NetworkConfig(**of_the_network, labels=len(text.facts.labels))
    predictions = split.training_characters / split.training.per_epoch
    check_memory(config, len(text.vocabulary), predictions)
    network = Network(config, len(text.vocabulary))
    if options.epochs is not None:
        steps = _steps_of(options.epochs, split)
    elif options.steps is not None:
        steps = options.steps
    else:
        per_epoch = split.training.per_epoch
        steps = recipe.choose_steps(work, network.multiplications, predictions, per_epoch, chosen["documents"])
    settings = {"warmup": recipe.choose_warmup(steps)} | settings | {"batch_size": split.training.rows}
    training = TrainingConfig(steps, **settings)
    if "patience" not in settings:
        training = replace(training, patience=choose_patience(split, training))
    plan = Plan(options, Model(network, text.vocabulary, training, text.facts), split, 1, text.remarks + split.remarks)
    return _with_workers(plan, options.workers)


def check_memory(config: NetworkConfig, vocabulary_size: int, predictions: float) -> None:
    """Raise ConfigError if training needs more memory than the machine has; docs/explanation/memory.md has the formula.

    Parameters
    ----------
    config
        The hyperparameters.
    vocabulary_size
        Number of distinct characters (V).
    predictions
        Characters predicted in a step (T·B).
    """
    L, H, V = config.layers, config.hidden, vocabulary_size
    P = sum(math.prod(shape) for shape in weight_shapes(config, V).values())
    needed = 4 * (10 * P + predictions * (7 * L * H + H + 2 * V))
    available = memory_of_the_machine()
    if needed > available:
        raise ConfigError(
            f"a network of {L:,} × {H:,} units with steps of {predictions:,.0f} characters needs {needed / 1e9:,.0f} GB"
            f" for training, and this machine has {available / 1e9:,.0f} GB; choose a smaller network or batch size"
        )


def _initialise(plan: Plan, origin: Model | None) -> Plan:
    """Give the plan's model its first weights, and the hashes of its documents."""
    model = replace(plan.model, hashes=plan.split.hashes)
    model.network.initialise(model.training.random_seed)
    if origin is not None:
        model.copy_weights(origin)
    return plan._replace(model=model, origin=origin)


def _plan_resumed(
    options: Options,
    run: Run,
    what: str,
    world: Team,
    started: float,
    announce: Callable[[str], object],
    prepare: Prepare,
) -> Plan:
    """Plan the rest of a run: only its number of steps, its patience and its number of workers may change."""
    model, state, record = run
    config = model.training
    otherwise = "leave it out, or start another run with another model file"
    _check_agrees(options, _recorded(model), what, otherwise, CHANGED_BY_RESUMING)
    if options.time is not None and options.time != record.time:
        had = f"takes {format_duration(record.time)}" if record.time else "has a fixed number of steps"
        raise OptionError(
            f"{{time}} contradicts {literal(what)}, which {had}; {otherwise}", time=format_duration(options.time)
        )
    if options.init_from is not None and checkpoint.load(options.init_from).digest != config.origin:
        raise OptionError(
            f"{{init_from}} contradicts {literal(what)}, which did not begin with its weights; {otherwise}",
            init_from=options.init_from,
        )
    text = _read_same_corpus(options, model, what, prepare)
    split = split_corpus(text, config)
    steps = config.steps if options.steps is None else options.steps
    if options.epochs is not None:
        steps = _steps_of(options.epochs, split)
    if steps < state.step:
        raise ConfigError(f"{what} has done {state.step:,} steps already, which is more than {steps:,}; give more")
    longer = replace(
        config,
        steps=steps,
        patience=config.patience if options.patience is None else options.patience,
        changed_on_resume=config.changed_on_resume or steps != config.steps,
    )
    if options.steps is not None or options.epochs is not None:
        record = replace(record, time=0.0)
    deadline = started + record.seconds_left if record.time and state.step < steps else None
    record = run_file.describe(options, record)
    plan = Plan(
        options,
        replace(model, training=longer, examples=model.examples if options.examples else ()),
        split,
        1,
        text.remarks + split.remarks,
        state,
        config,
        deadline,
        record=record,
    )
    plan = plan._replace(model=replace(plan.model, counts=_count(plan, text, world, announce)))
    return _with_workers(plan, options.workers)


def _plan_repeated(
    options: Options, path: Path, world: Team, announce: Callable[[str], object], prepare: Prepare
) -> Plan:
    """Plan a run with the settings, the steps and the schedule of a model's run."""
    recorded = checkpoint.load(path)
    config, what = recorded.training, f"the run of {path}"
    if config.changed_on_resume:
        raise ConfigError(
            f"{what} was resumed with another number of steps or workers, so no single run repeats it;"
            " train and resume it again with the same options"
        )
    otherwise = "leave it out, or start a new run"
    processes = {"workers": config.workers} if config.workers else {}
    _check_agrees(options, _recorded(recorded) | processes, what, otherwise)
    if options.mpi and config.workers not in (0, world.size):
        raise ConfigError(f"{what} had {config.workers} processes, and mpirun started {world.size}; start as many")
    origin = None if options.init_from is None else checkpoint.load(options.init_from)
    if config.origin != (origin.digest if origin else ""):
        began = (
            "another model; give its file with {init_from}"
            if config.origin
            else "no other model; leave out {init_from}"
        )
        raise OptionError(f"{literal(what)} began with the weights of {began}", init_from=None)
    text = _read_same_corpus(options, recorded, what, prepare)
    network = Network(recorded.network.config, len(text.vocabulary))
    examples = recorded.examples if options.examples else ()
    model = Model(network, text.vocabulary, config, recorded.facts, examples=examples)
    split = split_corpus(text, config)
    if options.counts is None and recorded.counts is not None:
        options = replace(options, counts=recorded.counts.order)
    plan = Plan(options, model, split, 1, text.remarks + split.remarks)
    plan = plan._replace(model=replace(model, counts=_count(plan, text, world, announce)))
    return _initialise(_with_workers(plan, config.workers or options.workers), origin)


def _recorded(model: Model) -> dict[str, Any]:
    """Return the settings of a model by name, without what no option sets."""
    settings = to_mapping(model.network.config) | to_mapping(model.training)
    return {name: value for name, value in settings.items() if name not in NOT_OPTIONS}


def _check_agrees(
    options: Options, recorded: Mapping[str, Any], what: str, otherwise: str, free: Collection[str] = ()
) -> None:
    """Raise OptionError if an option contradicts recorded settings."""
    for name, value in options.given().items():
        if name in recorded and name not in free and recorded[name] != value:
            which = "does not use it" if isinstance(value, bool) or recorded[name] == "" else f"has {recorded[name]!s}"
            raise OptionError(f"{{{name}}} contradicts {literal(what)}, which {which}; {otherwise}", **{name: value})


def _read_same_corpus(options: Options, model: Model, what: str, prepare: Prepare) -> Corpus:
    """Read the corpus; raise an error if it is not that of a model."""
    if (options.val is not None) != (model.training.split == "file"):
        ending = "has a validation file; give it with {val}" if options.val is None else "has none; leave out {val}"
        raise OptionError(f"{literal(what)} {ending}", val=None)
    encoding = options.encoding or ENCODING
    documents, known, label = model.documents, model.vocabulary, model.training.label
    text = corpus.read(options.files, encoding, documents, known, options.field, label, prepare)
    if text.facts.sha256 != model.facts.sha256:
        raise CorpusError(
            f"the text is not that of {what}: it has {text.facts.characters:,} characters in"
            f" {describe_names(text.facts.files)}, the run {model.facts.characters:,} in"
            f" {describe_names(model.facts.files)};"
            " give the same text, or start another run"
        )
    had, has = count_files(model.facts.files), count_files(text.facts.files)
    if model.training.split == "tails" and had != has:
        raise CorpusError(
            f"{what} read {had:,} files, each with a part in the validation set, and {has:,} are given; give the same"
            " files"
        )
    return text


def _steps_of(epochs: float, split: Split) -> int:
    return math.ceil(epochs * split.training.per_epoch)


def _with_workers(plan: Plan, wanted: int | None) -> Plan:
    """Return a plan with its number of processes: as wanted, but at most one for each row, or as the recipe chooses."""
    rows = plan.split.training.rows
    if wanted is None or not wanted:
        predictions = plan.split.training_characters / plan.split.training.per_epoch
        parameters = plan.model.network.parameters.flat.size
        return plan._replace(
            workers=recipe.choose_workers(count_cores(), plan.model.training.batch_size, parameters, predictions)
        )
    if wanted <= rows:
        return plan._replace(workers=wanted)
    note = f"{wanted:,} workers are more than the {rows:,} rows of a batch; {rows:,} share it"
    return plan._replace(workers=rows, notes=(*plan.notes, note))
