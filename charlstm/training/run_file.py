"""The run file beside a model file: where it is, which run it belongs to, and which files that run has."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np

from charlstm.base.config import to_mapping
from charlstm.base.errors import CharlstmError, CheckpointError, ConfigError, CorpusError
from charlstm.base.files import descriptor_of
from charlstm.model import checkpoint
from charlstm.model.checkpoint import Run, RunRecord
from charlstm.model.model import Model
from charlstm.training.options import ENCODING, Options

SUFFIX = ".resume"
OLD_SUFFIX = ".resume.npz"  # in place of the suffix of the model file, so that two models could share a run file
CHANGING = {"steps", "patience", "validate_every", "schedule_changes", "workers", "changed_on_resume"}


def path_beside(model: Path) -> Path:
    """Return the path of the run file of a model file: its whole name and a suffix, where links lead to."""
    target = Path(os.path.realpath(model))
    return target.with_name(target.name + SUFFIX)


def find(model: Path) -> tuple[Path, Run]:
    """Return the run file of a model file, and the run in it.

    Raises
    ------
    CheckpointError
        If there is none, if it cannot be used, or if it belongs to another model.
    """
    path = path_beside(model)
    if not path.exists():
        old = find_old(model)
        if old is None:
            raise CheckpointError(f"there is no run to resume at {path}; start the run without resuming")
        path = old
    run = checkpoint.load_run(path)
    if model.exists():
        try:
            beside = checkpoint.load(model)
            same = is_of_the_run(beside, run)
        except CheckpointError as error:
            raise CheckpointError(
                f"{model} is no model that can be read, and resuming would replace it; move it away to resume the run"
            ) from error
        if not same:
            raise CheckpointError(
                f"{path} belongs to another run than the model {model}; move the model away to resume the run of"
                f" {path.name}, or start a new run without resuming"
            )
        if beside.counts is not None:  # they may have been added when the run was complete
            run = run._replace(record=replace(run.record, counts=beside.counts.order))
    elif run.record.model not in ("", path_beside(model).name.removesuffix(SUFFIX)):
        raise CheckpointError(
            f"{path} is the run file of {run.record.model}, not of {model.name}; give the path of that model, or start"
            " a new run without resuming"
        )
    return path, run


def find_old(model: Path) -> Path | None:
    """Return the run file of a model file under the name that earlier versions gave it; None if there is none.

    Models whose names differed after the last dot shared that name. So the run must be that of the model; without a
    model file, the name of the model must have the usual suffix.
    """
    for place in dict.fromkeys((Path(os.path.realpath(model)), model)):
        path = place.with_suffix(OLD_SUFFIX)
        if not path.is_file():
            continue
        try:
            run = checkpoint.load_run(path)
            if is_of_the_run(checkpoint.load(model), run) if model.exists() else model.suffix == ".npz":
                return path
        except CheckpointError:  # another file of this name
            continue
    return None


def claim(model: Path, resumed: Path | None) -> os.stat_result | None:
    """Make the run file ready when a run starts: a new run removes that of an earlier one.

    Parameters
    ----------
    model
        The model file.
    resumed
        The run file that the run continues; None: the run is new.

    Returns
    -------
    os.stat_result or None
        The run file that was removed; None: there was none.

    Raises
    ------
    CharlstmError
        If a file cannot be removed or renamed.
    """
    path, removed = path_beside(model), None
    try:
        if resumed is None:
            for stale in (path, find_old(model)):
                if stale is not None:
                    removed = removed or (stale.stat() if stale.exists() else None)
                    stale.unlink(missing_ok=True)
        elif resumed != path:
            resumed.replace(path)
    except OSError as error:
        raise CharlstmError(f"cannot replace the run file {error.filename}: {error.strerror}") from error
    return removed


def is_of_the_run(model: Model, run: Run) -> bool:
    """Return whether a model is one that a run has saved: it has the same settings, text and losses."""
    settings = [
        {name: value for name, value in to_mapping(each.training).items() if name not in CHANGING}
        for each in (model, run.model)
    ]
    same = (
        settings[0] == settings[1]
        and to_mapping(model.network.config) == to_mapping(run.model.network.config)
        and model.facts.sha256 == run.model.facts.sha256
        and np.array_equal(model.vocabulary.code_points, run.model.vocabulary.code_points)
    )
    # Either may have been saved later. The last row of a run that was stopped is no report, and has no gradient norm.
    ours, theirs = model.history, run.model.history
    _, mine, others = np.intersect1d(ours.step, theirs.step, return_indices=True)
    reports = ~np.isnan(ours.gradient_norm[mine]) & ~np.isnan(theirs.gradient_norm[others])
    return bool(same and np.array_equal(ours.training_loss[mine][reports], theirs.training_loss[others][reports]))


def is_piped(path: Path) -> bool:
    """Return whether a text can be read only once: it comes from standard input, a pipe or a device."""
    try:
        if descriptor_of(path) is not None:
            return True
        mode = path.stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    except (OSError, ValueError):
        return False


def describe(options: Options, earlier: RunRecord | None = None) -> RunRecord:
    """Return the record of a run: of a new one, or of one that continues an earlier record."""

    def absolute(path: Path | None) -> str:
        return "" if path is None or is_piped(path) else str(path.absolute())

    return RunRecord(
        model="" if options.model is None else Path(os.path.realpath(options.model)).name,
        corpora=tuple(map(absolute, options.corpora)),
        given=tuple(map(str, options.corpora)),
        val=absolute(options.val),
        encoding=options.encoding or ENCODING,
        field=options.field or "",
        init_from=absolute(options.init_from) if earlier is None else earlier.init_from,
        log=absolute(options.log),
        workers=options.workers or 0,
        counts=options.counts or 0,
        time=(options.time or 0.0) if earlier is None else earlier.time,
    )


def complete(options: Options, run: Run, what: str) -> Options:
    """Return the options of a resumed run, with the files that its run file records where none are given.

    Raises
    ------
    ConfigError
        If a text was piped in, or an earlier version wrote the run file, and the text is not given again.
    CorpusError
        If a text file is not where it was.
    """
    record = run.record
    corpora = options.corpora
    if not corpora:
        if not record.corpora:
            raise ConfigError(f"{what} does not record which text it reads; give the text files again")
        if "" in record.corpora:
            raise ConfigError(
                f"the text of {what} was piped in; pipe in the same text again, and give - as the text file"
            )
        corpora = tuple(_locate(*paths, what) for paths in zip(record.corpora, record.given, strict=True))
    val = options.val
    if val is None and record.val:
        val = _locate(record.val, record.val, what)
    log = options.log or (Path(record.log) if record.log else None)
    encoding = options.encoding or record.encoding
    field = options.field or record.field or None
    workers = options.workers or (None if options.mpi else record.workers or None)
    counts = options.counts or record.counts or None
    return replace(
        options, corpora=corpora, val=val, log=log, encoding=encoding, field=field, workers=workers, counts=counts
    )


def _locate(absolute: str, given: str, what: str) -> Path:
    """Return where a text file of a run is: where it was, or where its path as it was given leads to from here."""
    for path in (Path(absolute), Path(given)):
        if path.exists():
            return path
    raise CorpusError(f"{absolute}, a text of {what}, is no longer there; give the paths that its texts have now")
