"""Training a model from a Python program."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence

from charlstm.api.language_model import LanguageModel
from charlstm.api.progress import choose_watcher
from charlstm.model.model import Model
from charlstm.sampling import sampler
from charlstm.training.blas import limit_threads
from charlstm.training.options import Options
from charlstm.training.run import Progress as Progress
from charlstm.training.run import Watcher, run

PathLike = str | os.PathLike[str]


class TrainingInterrupted(KeyboardInterrupt):
    """A training run was interrupted: by Ctrl-C, by "interrupt" in a notebook, by SIGTERM, or by SIGHUP.

    Attributes
    ----------
    model : LanguageModel
        The model with the best weights so far.
    signal : int
        The signal that interrupted the run.
    """

    def __init__(self, model: LanguageModel, signal: int) -> None:
        super().__init__("training was interrupted; the attribute `model` of this exception is the model so far")
        self.model = model
        self.signal = signal


def train(
    corpora: PathLike | Sequence[PathLike] = (),
    *,
    time: float | str | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    cell: str | None = None,
    activation: str | None = None,
    hidden: int | None = None,
    layers: int | None = None,
    dropout: float | None = None,
    weight_dropout: float | None = None,
    forget_bias: float | None = None,
    chrono_init: int | None = None,
    batch_size: int | None = None,
    seq_len: int | None = None,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    warmup: int | None = None,
    decay: bool | None = None,
    hold: float | None = None,
    weight_decay: float | None = None,
    tar: float | None = None,
    averaging: float | None = None,
    clip: float | None = None,
    patience: int | str | None = None,
    validate_every: int | None = None,
    init_from: PathLike | None = None,
    documents: str | None = None,
    label: str | None = None,
    lines: bool | None = None,
    curriculum: float | None = None,
    split: str | None = None,
    val: PathLike | None = None,
    val_fraction: float | None = None,
    encoding: str | None = None,
    field: str | None = None,
    random_seed: int | None = None,
    examples: bool = True,
    counts: int | None = None,
    workers: int | None = None,
    mpi: bool = False,
    model: PathLike | None = None,
    log: PathLike | None = None,
    force: bool = False,
    resume: bool = False,
    repeat: PathLike | None = None,
    save_every: float | str = 120.0,
    preview: int = 0,
    progress: Callable[[Progress], object] | Watcher | bool | None = None,
) -> LanguageModel:
    """Train a model on text files.

    Every parameter except `corpora` and `progress` is the option of the command `charlstm train` with that
    name. Equal options give equal weights, bit for bit, on the same machine. What is None follows from the size of the
    text and the time, or has the default that `charlstm train --help` shows.

    Parameters
    ----------
    corpora
        A text file, a folder, or several, which are read as one text. A folder stands for all text files in it and
        in the folders below it. Files that gzip, bzip2 or xz compressed are read decompressed. With `resume` the files
        may be left out: the run knows them.
    time
        Duration of the run: "90s", "10m", "2h", "1h30m", "1d", or a number of seconds. It decides the size of the
        network too.
    epochs, steps
        Length of the run: passes over the training text, or optimizer steps.
    cell
        "lstm", "gru" or "rnn".
    activation
        Activation function of the rnn: "tanh" or "relu".
    hidden
        Units per layer (H).
    layers
        Number of layers (L).
    dropout
        Dropout rate on the outputs of every layer, in [0, 1).
    weight_dropout
        Dropout rate on the recurrent weights, in [0, 1) (DropConnect; Wan et al. 2013, Merity et al. 2018).
    forget_bias
        Initial bias of the forget gate.
    chrono_init
        Longest memory, in characters, of chrono initialisation (Tallec & Ollivier 2018); 0 for none.
    batch_size
        Rows of a batch (B).
    seq_len
        Truncated-BPTT length in characters (T); ignored for lines.
    optimizer
        "adam", "rmsprop" or "sgd".
    learning_rate
        Peak learning rate.
    warmup
        Steps of linear warm-up; by default 50, or a tenth of all steps if that is less.
    decay
        False: keep the learning rate at its peak instead of cosine decay to zero.
    hold
        Fraction of the steps at the peak learning rate before the decay, in [0, 1).
    weight_decay
        Decoupled weight decay (AdamW; Loshchilov & Hutter 2019).
    tar
        Temporal activation regularisation: weight of the mean square of the change of the last layer's outputs from one
        character to the next (Merity, McCann & Socher 2017); 0 disables it.
    averaging
        Exponent of the polynomial-decay average of the weights (Shamir & Zhang 2013): a larger one forgets sooner; 0
        keeps the newest weights.
    clip
        Largest norm of the gradient; 0 disables clipping.
    patience
        Early stopping: end the run after this number of validations in a row without improvement; 0 disables it. The
        default is "auto": the run ends when half of its steps came after the best validation. Without a validation set,
        with `init_from` and with `curriculum`, the default is 0.
    validate_every
        Steps between two validations.
    init_from
        Model file that gives the first weights, for fine-tuning on another text, or the name of a bundled model.
    documents
        What a document is: "line", "blank-line" (the text between blank lines) or "file"; or the text that separates
        documents. By default the text is one stream.
    label
        What gives the label of a document, which is read before it: "folder", "file", or "field:NAME" for a table.
    lines
        True: short for documents="line".
    curriculum
        Epochs during which short documents come first; needs `documents`.
    split
        Validation set: "tail", the end of the text; "tails", the end of each file, by default for several; or
        "stripes" from all over the text.
    val
        Text file or folder to use as validation set.
    val_fraction
        Fraction of the text in the validation set, in [0, 1); by default a tenth, but 0 for a text of fewer than 2,000
        characters.
    encoding
        Encoding of the text files; by default UTF-8, or that of the run to resume.
    field
        Name of the field of tables (.csv, .tsv, .jsonl) that has the texts: each row is a document.
    random_seed
        Seed of all random numbers.
    examples
        False: store no excerpts of the validation set in the model file. By default it has three short ones, which a
        page offers as texts to read; a resumed or repeated run has those of its run.
    counts
        Order of an n-gram model of the training set, 1 to 12, which the model file holds too: for
        `sample(mix={"counts": 0.2})`, and for the view counts. None: none, or that of the run to resume or to repeat.
    workers
        Processes that share every batch.
    mpi
        True: share every batch among the processes that mpirun started.
    model
        Model file to write. Without it, no file is written, except for `log`. With it, the run writes the same files as
        the command: this one, and one beside it, whose name ends in ".resume", with everything that resuming needs.
    log
        File to write a JSON object per report to.
    force
        True: replace existing files.
    resume
        True: resume the run of `model` exactly, with its files, its settings, and the time that it had left.
    repeat
        Model file whose run is repeated: with the same settings, steps and schedule, and so to the same weights.
    save_every
        Longest time between two saves: seconds, or a text such as "10m"; 0: save after every step.
    preview
        Characters to sample after each validation; see `Progress.sample`.
    progress
        A function that is called with a `Progress` after every step. True: show a progress bar; False: show nothing.
        By default there is a bar in a notebook only. A `charlstm.training.run.Watcher` also receives the plan, warnings
        and the outcome.

    Returns
    -------
    LanguageModel
        The model with the lowest validation loss, or with the last weights if there is no validation set.

    Raises
    ------
    ConfigError
        If options are out of range or contradict each other, or a file exists already.
    CorpusError
        If a text file cannot be read, or the text is too short.
    CheckpointError
        If a model file cannot be used.
    TrainingError
        If training diverges.
    CharlstmError
        If a file cannot be written.
    TrainingInterrupted
        If the run is interrupted: a KeyboardInterrupt, raised when the current step is done and all files are saved.
        Its attribute `model` is the model so far; in a notebook, `sys.last_value.model`. A second interrupt ends the
        run at once, as a plain KeyboardInterrupt.

    Examples
    --------
    >>> import charlstm
    >>> model = charlstm.train("corpus.txt", steps=20, hidden=8, random_seed=1)
    >>> model
    <LanguageModel: lstm, 1 × 8 units, 780 parameters>
    >>> losses = []
    >>> model = charlstm.train(
    ...     "corpus.txt", steps=20, hidden=8, progress=lambda progress: losses.append(progress.loss)
    ... )
    >>> len(losses)
    20
    """
    options = Options.of(
        corpora=corpora,
        time=time,
        epochs=epochs,
        steps=steps,
        cell=cell,
        activation=activation,
        hidden=hidden,
        layers=layers,
        dropout=dropout,
        weight_dropout=weight_dropout,
        forget_bias=forget_bias,
        chrono_init=chrono_init,
        batch_size=batch_size,
        seq_len=seq_len,
        optimizer=optimizer,
        learning_rate=learning_rate,
        warmup=warmup,
        decay=decay,
        hold=hold,
        weight_decay=weight_decay,
        tar=tar,
        averaging=averaging,
        clip=clip,
        patience=patience,
        validate_every=validate_every,
        init_from=init_from,
        documents=documents,
        label=label,
        lines=lines,
        curriculum=curriculum,
        split=split,
        val=val,
        val_fraction=val_fraction,
        encoding=encoding,
        field=field,
        random_seed=random_seed,
        examples=examples,
        counts=counts,
        workers=workers,
        mpi=mpi,
        model=model,
        log=log,
        force=force,
        resume=resume,
        repeat=repeat,
        save_every=save_every,
        preview=preview,
    )
    with limit_threads() as limited:
        if not (limited or isinstance(progress, Watcher)):
            warnings.warn(
                "the threads of NumPy's BLAS cannot be limited here, so training may be slower, and the result may"
                " differ in its last digits from that of the command; set the variable that limits them, such as"
                " OMP_NUM_THREADS=1, before Python starts",
                RuntimeWarning,
                stacklevel=2,
            )
        outcome = run(options, choose_watcher(progress), _sample_preview)
    trained = LanguageModel(outcome.model)
    if outcome.interrupted_by is not None:
        raise TrainingInterrupted(trained, outcome.interrupted_by)
    return trained


def _sample_preview(model: Model, length: int) -> str:
    """Return a text that a model samples, with the same random numbers at every call."""
    return sampler.preview(model, length, model.training.random_seed)
