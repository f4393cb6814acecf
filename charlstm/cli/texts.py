"""How `charlstm sample` writes samples: as text while they are sampled, or as JSON lines."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from charlstm.cli.console import has_colour
from charlstm.cli.output import is_shown, terminal_width
from charlstm.cli.settings import DisplayConfig
from charlstm.cli.status import show_elapsed
from charlstm.model.model import Model
from charlstm.render.characters import shown_text
from charlstm.render.text_writer import AlternativesWriter, TextWriter
from charlstm.sampling.sampler import Sample, SampledCharacter, Sampler
from charlstm.text.documents import Documents

if TYPE_CHECKING:
    from charlstm.inspection.novelty import Novelty
    from charlstm.sampling.sets import SetSampler


class TextOutput:
    """Writes samples as text: the first while it is sampled, the others after it.

    As a context manager it writes the seed at its start and, whatever ends it, all that was sampled at its end. Ctrl-C
    while a character is written acts after it, so that every character is written once; a second Ctrl-C acts at once.

    Parameters
    ----------
    file
        Written to; a terminal shows each character at once.
    writers
        One for each sample.
    seed
        The text before each sample.
    documents
        What stands between two samples.
    """

    def __init__(self, file: TextIO, writers: Sequence[TextWriter], seed: str, documents: Documents) -> None:
        self._file = file
        self._live = file.isatty()
        self._writers = writers
        self._documents = documents
        self._pieces = [[writer.seed(seed)] for writer in writers]
        self._writing = self._interrupted = False
        in_main = threading.current_thread() is threading.main_thread()  # only there signals can be handled
        self._defers = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def __enter__(self) -> TextOutput:
        if self._defers:
            signal.signal(signal.SIGINT, self._interrupt)
        self._flush()
        return self

    def add(self, sampled: SampledCharacter) -> None:
        """Write the next character of a sample."""
        self._pieces[sampled.row].append(self._writers[sampled.row].add(sampled))
        if sampled.row == 0:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._defers:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._flush()
        self._file.write(join_texts(["".join(pieces) for pieces in self._pieces], self._writers, self._documents))

    def _flush(self) -> None:
        """Write what the first sample has since the last call."""
        self._writing = True
        self._file.write("".join(self._pieces[0]))
        self._pieces[0].clear()
        self._writing = False
        if self._live:
            self._file.flush()
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: object) -> None:
        """Raise `KeyboardInterrupt`, or note it while a character is written."""
        if not self._writing or self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True


def text_writer(model: Model, display: DisplayConfig, to_file: bool = False) -> TextWriter:
    """Return what writes one text to standard output, or to a file, as the options ask.

    On a terminal, and where colours are forced, control characters are written as signs.
    """
    coloured = not to_file and has_colour()
    shade = display.colour if coloured else None
    shown = coloured or (not to_file and is_shown())
    if display.alternatives is None:
        return TextWriter(shade, shown)
    return AlternativesWriter(display.alternatives, terminal_width(), model.vocabulary.characters, shade, shown)


@dataclass(frozen=True)
class SampleOutput:
    """Writes samples when all are complete, or sampling was interrupted.

    Attributes
    ----------
    model
        The model that writes them.
    display
        How text is shown.
    shape
        "text" or "jsonl".
    to_file
        True: to a file, not to standard output.
    surprisals
        True: JSON objects have the bits of each character.
    compare
        Returns the novelty report of complete samples.
    """

    model: Model
    display: DisplayConfig
    shape: str
    to_file: bool
    surprisals: bool
    compare: Callable[[Sequence[Sample]], Novelty | None]

    def collect(
        self,
        file: TextIO,
        sampler: Sampler | SetSampler,
        collect: Callable[[Callable[[int], object]], object],
        wanted: int = 0,
    ) -> Sequence[Sample]:
        """Let a sampler make its samples and write them, those until then after an interrupt; return them.

        Parameters
        ----------
        file
            Written to.
        sampler
            The sampler.
        collect
            Lets it make its samples; takes a function to call with the number of samples that are found.
        wanted
            Number of samples that it makes; 0: that is not shown.
        """
        complete = False
        try:
            with show_elapsed("sampling", wanted, "texts") as report:
                collect(report)
            complete = True
        finally:
            written = self.write(file, sampler.samples, complete)
        return written

    def write(self, file: TextIO, samples: Sequence[Sample], complete: bool = True) -> Sequence[Sample]:
        """Write samples and return them; with `complete` and as JSON each with its part of the novelty report."""
        if self.shape == "jsonl":
            novelty = self.compare(samples) if complete and samples else None
            file.write(self._format_json(samples, novelty, file.isatty()))
        else:
            file.write(self._format_text(samples))
        return samples

    def _format_json(self, samples: Sequence[Sample], novelty: Novelty | None, shown: bool) -> str:
        """Return samples as JSON objects, one per line; `shown`: with signs for control characters."""
        from charlstm.render.data import dump_json, to_objects
        from charlstm.sampling.record import describe

        kinds = {sample.origin.sampling.mixes_counts for sample in samples}
        digests = {mixes: self.model.digest_for(mixes) for mixes in kinds}
        values = [describe(sample, digests[sample.origin.sampling.mixes_counts], self.surprisals) for sample in samples]
        if novelty is not None:
            for number, value in enumerate(values):
                value["novelty"] = to_objects(novelty.of(number).view())
        text = "".join(map(dump_json, values))
        return shown_text(text) if shown else text

    def _format_text(self, samples: Sequence[Sample]) -> str:
        """Return samples as text; for colours and alternatives they are sampled again."""
        writers = [text_writer(self.model, self.display, self.to_file) for _ in samples]
        shown = ["" if self.display.hide_seed else sample.seed for sample in samples]
        is_plain = self.display.colour is None and self.display.alternatives is None
        pieces: list[list[str]] = [[] for _ in samples]
        if not is_plain:
            from charlstm.sampling.record import repeat

            for own, writer, seed in zip(pieces, writers, shown, strict=True):
                own.append(writer.seed(seed))
            repeat(self.model, samples, "", lambda number, one: pieces[number].append(writers[number].add(one)))
        for own, writer, seed, sample in zip(pieces, writers, shown, samples, strict=True):
            if is_plain or sample.origin.beam is not None:
                own[:] = [writer.seed(seed + sample.text)]
        return join_texts(["".join(own) for own in pieces], writers, self.model.documents) if samples else ""


def join_texts(texts: Sequence[str], writers: Sequence[TextWriter], documents: Documents) -> str:
    """Return texts as one: separated as a corpus separates its documents, otherwise by an empty line.

    Parameters
    ----------
    texts
        One or more.
    writers
        What wrote each of them.
    documents
        How the model's corpus is cut into documents.
    """
    if documents and not isinstance(writers[0], AlternativesWriter):
        return documents.separator.join(texts) + writers[-1].end()
    return "\n".join(text + writer.end() for text, writer in zip(texts, writers, strict=True))
