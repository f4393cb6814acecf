"""What a Python program does with a trained model; the commands are a thin layer over it.

What only one method needs is imported by it, so that a text begins at once.

import charlstm

model = charlstm.load("charlstm.npz")
print(model.sample("mady said hi to", length=100, temperature=0.7))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from charlstm.base.config import AdaptConfig, check_text
from charlstm.base.errors import ConfigError, named, show_value
from charlstm.base.randomness import fresh_seed
from charlstm.base.symbols import END
from charlstm.model import bundled, checkpoint
from charlstm.model.model import Model
from charlstm.sampling.filters import SamplingConfig, check_mix
from charlstm.sampling.sampler import Sample, Sampler
from charlstm.sampling.sets import Samples, SetRules, SetSampler
from charlstm.sampling.stopping import StoppingRules

if TYPE_CHECKING:
    from charlstm.inspection.cloze import Question
    from charlstm.inspection.registry import Subject
    from charlstm.inspection.view import TextSource
    from charlstm.render.measures import ClozeResult, NoveltyResult, ScoreResult
    from charlstm.render.results import PageResult, TraceResult, ViewResult
    from charlstm.sampling.session import Session

LENGTH = 500
MOST_OF_A_DOCUMENT = 10_000  # characters


class LanguageModel:
    """A trained model that writes and reads texts.

    Parameters
    ----------
    model
        Network, vocabulary, and how they came about.
    name
        Name of the model beside others: its file.

    Attributes
    ----------
    model : Model
        The same.
    name : str
        The same.
    """

    def __init__(self, model: Model, name: str = "this model") -> None:
        self.model = model
        self.name = name

    def __repr__(self) -> str:
        config, size = self.model.network.config, self.model.network.parameters.flat.size
        return f"<LanguageModel: {config.cell}, {config.layers} × {config.hidden} units, {size:,} parameters>"

    def with_label(self, label: str | None) -> LanguageModel:
        """Return the model as one that reads and writes documents with a label; None: with any.

        Raises
        ------
        ConfigError
            If the model has no such label.
        """
        return LanguageModel(self.model.with_label(label), self.name)

    def adapted(self, text: str, rate: float | None = None) -> LanguageModel:
        """Return a copy of the model that has learnt the names and habits of a text; this one stays unchanged.

        The text is read once, as by `score` with dynamic evaluation. Nothing is written to a file.

        Parameters
        ----------
        text
            The text.
        rate
            The learning rate; None: the default.

        Raises
        ------
        UnknownCharacterError
            If the text has characters that the model does not know.
        ConfigError
            If the rate is not a number above 0.
        TrainingError
            If the weights diverge because the rate is too high.

        Examples
        --------
        >>> learnt = model.adapted("abcabcabc" * 20)
        >>> learnt.score("abcabcabc").bits < model.score("abcabcabc").bits
        True
        """
        from charlstm.model.adaptation import adapt_to

        rate = _adapt_config(True, rate).adapt_rate
        return LanguageModel(adapt_to(self.model, check_text("text", text), rate), self.name)

    def with_counts(
        self,
        corpora: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        order: int = 6,
        encoding: str = "utf-8",
        field: str | None = None,
    ) -> LanguageModel:
        """Return the model with an n-gram model of its training set beside the network.

        Parameters
        ----------
        corpora
            The corpus of the model: a file, a folder, or several. It is split as for the training of the model.
        order
            Characters of the longest n-gram, 1 to 12.
        encoding
            Text encoding of the files.
        field
            Name of the field of tables (.csv, .tsv, .jsonl) that has the texts; None: the files are texts.

        Returns
        -------
        LanguageModel
            For `sample(mix={"counts": 0.2})` and `view("counts", text)`. `model.counts` has the weight that fits the
            validation set best; see `charlstm.model.counts.Counts`.

        Raises
        ------
        CorpusError
            If a file cannot be read, or has characters or labels that the model does not know.
        ConfigError
            If the order is out of range, or the corpus has too many n-grams.

        Examples
        --------
        >>> from pathlib import Path
        >>> _ = Path("corpus.txt").write_text("abcabcabcd" * 20)
        >>> mixed = model.with_counts("corpus.txt", order=3)
        >>> mixed.sample("ab", length=1, mix={"counts": 1.0}, temperature=0).text
        'c'
        """
        from charlstm.training.counting import count_corpus
        from charlstm.training.options import check_encoding, check_paths

        paths = check_paths("corpora", corpora)
        counted = count_corpus(self.model, paths, order, check_encoding("encoding", encoding), field)
        return LanguageModel(counted.model, self.name)

    def save(self, path: str | os.PathLike[str], force: bool = False) -> None:
        """Write a model file, completely or not at all.

        Parameters
        ----------
        path
            The file.
        force
            True: replace an existing file.

        Raises
        ------
        ConfigError
            If the file exists and `force` is False.
        CharlstmError
            If the file cannot be written; an existing file is then unchanged.

        Examples
        --------
        >>> import charlstm
        >>> model.save("copy.npz")
        >>> charlstm.load("copy.npz").sample("a", length=5, random_seed=1) == model.sample("a", length=5, random_seed=1)
        True
        """
        from charlstm.base.files import Files

        checkpoint.save(self.model, Files().add_output(path, model=True, replace=force))

    def sampler(
        self,
        seed: str = "",
        length: int | None = None,
        temperature: float = SamplingConfig.temperature,
        *,
        count: int = 1,
        stop: str | Sequence[str] = (),
        hide_stop: bool = False,
        lines: int | None = None,
        sentence: bool = False,
        random_seed: int | None = None,
        report: Callable[[int], object] | None = None,
        **rules: Any,
    ) -> Sampler:
        """Return a sampler of several continuations of a text, which it samples side by side.

        Parameters
        ----------
        seed, length, temperature, stop, hide_stop, lines, sentence, random_seed, rules
            See `sample`.
        count
            Number of samples (B), 1 to 100,000.
        report
            Called with the number of characters of the seed that are read, again and again until all are.

        Returns
        -------
        Sampler
            `collect()` returns B samples; iteration yields their characters as they are sampled.

        Raises
        ------
        UnknownCharacterError
            If the seed contains characters that the model does not know.
        ConfigError
            If a value is out of range, there is no such rule, or a stop string or `only` has a character that the model
            does not know.

        Examples
        --------
        >>> [len(sample.text) for sample in model.sampler("a", length=3, count=2).collect()]
        [3, 3]
        """
        stopping = self._stopping_rules(length, stop, hide_stop, lines, sentence)
        sampling = self._sampling_rules(temperature, random_seed, rules)
        return Sampler(self.model, check_text("seed", seed), sampling, stopping, count, report=report)

    def sample(
        self,
        seed: str = "",
        length: int | None = None,
        temperature: float = SamplingConfig.temperature,
        *,
        stop: str | Sequence[str] = (),
        hide_stop: bool = False,
        lines: int | None = None,
        sentence: bool = False,
        random_seed: int | None = None,
        **rules: Any,
    ) -> Sample:
        """Continue a text.

        Parameters
        ----------
        seed
            The text to continue; empty: begin a document, or in a stream a line.
        length
            Maximum number of new characters; by default 500, 10,000 for a model of documents, which ends a text itself,
            or no maximum if `lines` is given.
        temperature
            Divides the logits: values below 1 favour likely characters, values above 1 unlikely ones; 0 always takes
            the most likely character.
        stop
            Stop after this string, or any of several.
        hide_stop
            True: omit the stop string.
        lines
            Stop after this many newlines.
        sentence
            True: stop at the end of the first sentence.
        random_seed
            Seed of the random numbers; the same seed gives the same text. None: a fresh one, so that every call gives
            another text.
        rules
            Further sampling rules by name, such as `top_p=0.9` or `mix={"counts": 0.2}`; see
            `charlstm.sampling.filters.SamplingConfig`.

        Returns
        -------
        Sample
            The new characters in `text`; `bits_per_character`, their mean surprisal; `stop`, why it stopped. `print`
            shows seed and text.

        Raises
        ------
        UnknownCharacterError
            If the seed contains characters that the model does not know.
        ConfigError
            If a value is out of range, there is no such rule, or a stop string or `only` has a character that the model
            does not know.

        Examples
        --------
        >>> sample = model.sample("ab", length=5, temperature=0.7, top_k=3)
        >>> len(sample.text), sample.stop
        (5, 'length')
        >>> str(sample) == "ab" + sample.text
        True
        """
        stopping = self._stopping_rules(length, stop, hide_stop, lines, sentence)
        sampling = self._sampling_rules(temperature, random_seed, rules)
        return Sampler(self.model, check_text("seed", seed), sampling, stopping).collect()[0]

    def set_sampler(
        self,
        seed: str | Sequence[str] = "",
        count: int | None = None,
        length: int | None = None,
        temperature: float = SamplingConfig.temperature,
        *,
        distinct: bool = False,
        new_only: bool = False,
        max_copied: int | None = None,
        against: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        best: int | None = None,
        of: int | None = None,
        by: str = SetRules.by,
        attempts: int | None = None,
        encoding: str = "utf-8",
        field: str | None = None,
        stop: str | Sequence[str] = (),
        hide_stop: bool = False,
        lines: int | None = None,
        sentence: bool = False,
        random_seed: int | None = None,
        **rules: Any,
    ) -> SetSampler:
        """Return a sampler of a set of texts: many continuations of a text, or of each of several.

        Parameters
        ----------
        seed
            The text to continue, or several.
        count
            Number of samples for each text, 1 or more; by default 1. Leave it out with `best`.
        length, temperature, stop, hide_stop, lines, sentence, random_seed, rules
            See `sample`.
        distinct, new_only, max_copied, best, of, by, attempts
            Which samples make the set; see `charlstm.sampling.sets.SetRules`.
        against, encoding, field
            The corpora for `max_copied` and `by="novelty"`: a file, a folder, or several; their text encoding; and the
            field of tables that has the texts, see `novelty`.

        Returns
        -------
        SetSampler
            `collect()` returns what `samples` returns.

        Raises
        ------
        UnknownCharacterError
            If a text contains characters that the model does not know.
        ConfigError
            If a value is out of range, or the rules need a corpus and there is none.

        Examples
        --------
        >>> len(model.set_sampler("a", count=3, length=5, distinct=True).collect())
        3
        """
        from charlstm.text.sources import Sources
        from charlstm.training.options import check_encoding, check_paths

        if count is not None and best is not None:
            raise ConfigError(f"{named('count')} is {count!r} and {named('best')} is {best!r}; give one of them")
        chosen = SetRules(1 if count is None else count, distinct, new_only, max_copied, best, of, by, attempts)
        seeds = [seed] if isinstance(seed, str) or not isinstance(seed, Iterable) else list(seed)
        check_paths("against", against)
        check_encoding("encoding", encoding)
        files = [against] if isinstance(against, (str, os.PathLike)) else list(against)
        return SetSampler(
            self.model,
            [check_text("seed", each) for each in seeds],
            self._sampling_rules(temperature, random_seed, rules),
            self._stopping_rules(length, stop, hide_stop, lines, sentence),
            chosen,
            Sources(files, encoding, field) if files else None,
        )

    def samples(self, seed: str | Sequence[str] = "", count: int | None = None, **options: Any) -> Samples:
        """Continue a text, or each of several, many times.

        Parameters
        ----------
        seed
            The text to continue, or several.
        count
            Number of samples for each text, 1 or more; by default 1. Leave it out with `best`.
        options
            `length`, `temperature`, `stop`, `random_seed` and all others of `sample`; and which samples make the set:
            `distinct`, `new_only`, `max_copied`, `best`, `of`, `by`, `attempts`, `against`; see `set_sampler`.

        Returns
        -------
        Samples
            A list of samples: those of the first text, then those of the second, and so on. It has fewer than were
            asked for if the limit of attempts was reached; `report` tells, and `wanted`, `attempts` and `rejected` have
            the numbers.

        Raises
        ------
        UnknownCharacterError
            If a text contains characters that the model does not know.
        ConfigError
            If a value is out of range, or the rules need a corpus and there is none.
        CorpusError
            If a file cannot be read or decoded.

        Examples
        --------
        >>> names = model.samples("a", count=3, length=5, distinct=True)
        >>> len({name.text for name in names}), names.report.split(" in ")[0]
        (3, 'found 3 of 3 texts')
        """
        return self.set_sampler(seed, count, **options).collect()

    def stream(
        self,
        seed: str = "",
        temperature: float = SamplingConfig.temperature,
        *,
        random_seed: int | None = None,
        **rules: Any,
    ) -> Iterator[str]:
        """Continue a text without end, character by character.

        Parameters
        ----------
        seed, temperature, random_seed, rules
            See `sample`.

        Returns
        -------
        iterator of str
            The characters that `sample` would give. The seed has been read when the iterator is returned.

        Raises
        ------
        UnknownCharacterError, ConfigError
            See `sample`.

        Examples
        --------
        >>> from itertools import islice
        >>> "".join(islice(model.stream("ab", random_seed=1), 5)) == model.sample("ab", length=5, random_seed=1).text
        True
        """
        sampling = self._sampling_rules(temperature, random_seed, rules)
        sampler = Sampler(self.model, check_text("seed", seed), sampling, StoppingRules())
        return (sampled.character for sampled in sampler if sampled.character != END)

    def beam(
        self,
        seed: str = "",
        width: int = 8,
        length: int | None = None,
        *,
        count: int = 1,
        stop: str | Sequence[str] = (),
        hide_stop: bool = False,
        lines: int | None = None,
        sentence: bool = False,
        forbid: str = "",
        only: str | None = None,
        report: Callable[[int], object] | None = None,
    ) -> list[Sample]:
        """Find likely continuations of a text by beam search; see `charlstm.sampling.beam`.

        Parameters
        ----------
        seed, length, stop, hide_stop, lines, sentence
            See `sample`.
        width
            Number of texts in the beam: a wider beam finds likelier texts and takes longer.
        count
            Number of results, at most `width`.
        forbid, only
            Characters that no result contains; the only characters that a result contains.
        report
            Called with the number of characters of the seed that are read, again and again until all are.

        Returns
        -------
        list of Sample
            The most likely first.

        Raises
        ------
        UnknownCharacterError
            If the seed contains characters that the model does not know.
        ConfigError
            If a value is out of range.

        Examples
        --------
        >>> greedy, = model.beam("ab", width=1, length=5)
        >>> greedy.text == model.sample("ab", length=5, temperature=0).text
        True
        """
        from charlstm.sampling.beam import search_samples

        stopping = self._stopping_rules(length, stop, hide_stop, lines, sentence)
        sampling = self._sampling_rules(SamplingConfig.temperature, 0, {"forbid": forbid, "only": only})
        return search_samples(self.model, check_text("seed", seed), width, stopping, sampling, count, report)

    def session(
        self,
        length: int | None = None,
        temperature: float = SamplingConfig.temperature,
        *,
        stop: str | Sequence[str] = (),
        hide_stop: bool = False,
        lines: int | None = None,
        sentence: bool = False,
        random_seed: int | None = None,
        adapt: bool = False,
        adapt_rate: float | None = None,
        **rules: Any,
    ) -> Session:
        """Return a session: you and the model extend a text in turns, and the network's state is kept between them.

        Parameters
        ----------
        length, temperature, stop, hide_stop, lines, sentence, random_seed, rules
            See `sample`; they apply to each continuation.
        adapt
            True: the session learns from the texts that you add, as `adapted` does; `session.learning` switches that.
        adapt_rate
            Its learning rate; None: the default.

        Returns
        -------
        Session
            `generate(text)` appends a text and continues it, character by character; `again`, `suggest`, `pick`,
            `undo`, `reset`, `save` and `load` work on the text.

        Raises
        ------
        ConfigError
            See `sample`.

        Examples
        --------
        >>> session = model.session(length=5)
        >>> new = "".join(sampled.character for sampled in session.generate("ab"))
        >>> session.text == "ab" + new
        True
        """
        from charlstm.sampling.session import Session

        stopping = self._stopping_rules(length, stop, hide_stop, lines, sentence)
        learning = _adapt_config(adapt, adapt_rate)
        return Session(self.model, self._sampling_rules(temperature, random_seed, rules), stopping, learning)

    def _stopping_rules(
        self, length: int | None, stop: str | Sequence[str], hide_stop: bool, lines: int | None, sentence: bool
    ) -> StoppingRules:
        """Return where a text stops; without `length` and `lines` the model's kind of corpus decides."""
        if lines is None and length is None:
            length = MOST_OF_A_DOCUMENT if self.model.documents else LENGTH
        stopping = StoppingRules(length, stop, hide_stop, lines, sentence)
        stopping.check_possible(self.model.vocabulary)
        return stopping

    def _sampling_rules(self, temperature: float, random_seed: int | None, rules: dict[str, Any]) -> SamplingConfig:
        """Return how characters are sampled; refuse rules that this model can never follow."""
        chosen = fresh_seed() if random_seed is None else random_seed
        sampling = SamplingConfig.from_rules(temperature=temperature, random_seed=chosen, **rules)
        sampling.check_possible(self.model)
        return sampling

    def novelty(
        self,
        texts: str | Sample | Sequence[str | Sample],
        corpora: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        encoding: str = "utf-8",
        field: str | None = None,
    ) -> NoveltyResult:
        """Find what of a sampled text, or of several, is copied from a corpus.

        Parameters
        ----------
        texts
            What `sample` returned, or strings. Of a sample only the text after the seed is examined.
        corpora
            A file, a folder, or several, read as in training, in blocks. A long corpus needs little memory, except for
            the ids of its characters if the model is one of documents.
        encoding
            Text encoding of the files.
        field
            Name of the field of tables (.csv, .tsv, .jsonl) that has the texts; None: the files are texts.

        Returns
        -------
        Novelty
            `novel`: the number of new parts of each length; `runs()`: the longest copied parts, with their places;
            `documents`, for a model of documents: the numbers of documents that are new, in the training set and in
            the validation set. `view()` returns what the command prints.

        Raises
        ------
        CorpusError
            If a file cannot be read or decoded.
        ConfigError
            If there is no text or no file.

        Examples
        --------
        >>> from pathlib import Path
        >>> _ = Path("corpus.txt").write_text("abcabcabcd")
        >>> [run.text for run in model.novelty("dabcabcabcda", "corpus.txt").runs()]
        ['abcabcabcd']
        """
        from charlstm.inspection.novelty import measure_novelty
        from charlstm.render.measures import NoveltyResult
        from charlstm.training.options import check_encoding, check_paths

        check_paths("corpora", corpora)
        check_encoding("encoding", encoding)
        are_many = isinstance(texts, (list, tuple))
        several: list[str | Sample] = list(texts) if are_many else [texts]  # type: ignore[arg-type, list-item]
        files = [corpora] if isinstance(corpora, (str, os.PathLike)) else list(corpora)
        written = [one.text if isinstance(one, Sample) else check_text("texts", one) for one in several]
        parse = self.model.documents.parse
        begun = [parse(one.seed).rpartition(END)[2] if isinstance(one, Sample) else "" for one in several]
        ended = [one.stop == "end" if isinstance(one, Sample) else False for one in several]
        found = measure_novelty(self.model, written, files, encoding, begun, ended, field)
        return NoveltyResult(found.copies, found.files, found.documents, found.least)

    def trace(self, text: str) -> TraceResult:
        """Return everything that the network does while it reads a text: activations, predictions, surprisal.

        Parameters
        ----------
        text
            N characters, one or more.

        Returns
        -------
        TraceResult
            `layers[l]["f"]`, …: (N, H) arrays; `log_probabilities`: (N, V), in nats; `surprise`: (N,), the surprisal in
            bits. `arrays` holds all of them by name, `to_dict()` returns lists for JSON, `save(path)` writes an `.npz`.
            A notebook shows the text shaded by surprisal.

        Raises
        ------
        UnknownCharacterError
            If the text has characters that the model does not know.
        ConfigError
            If the trace would hold more than 250 million numbers.

        Examples
        --------
        >>> model.trace("abcad").layers[0]["f"].shape
        (5, 3)
        """
        from charlstm.inspection.trace import trace
        from charlstm.render.results import TraceResult

        return TraceResult(*trace(self.model, check_text("text", text, 1)))

    def view(
        self,
        name: str,
        text: str | TextSource | Sequence[TextSource] | None = None,
        *,
        skip_unknown: bool = False,
        **options: Any,
    ) -> ViewResult:
        """Inspect the model: return what `charlstm inspect --view` prints.

        Parameters
        ----------
        name
            gates, cell, units, score, counts, cloze, saturation, memory, why, patch, gradients, labels, history or
            summary.
        text
            The text for the view; None for the views history and summary, and for the validation set in the view
            counts. The views score, counts and cloze also take texts with a name, in pieces:
            `inspection.view.TextSource`.
        skip_unknown
            True: characters that the model does not know are skipped and counted in a remark; False: they are an error.
        options
            The options of the view, by the names that they have on the command line: `match="[0-9]+"`,
            `units=["0:7"]`, `swap_memory="…"`. `compare` takes name → model.

        Returns
        -------
        ViewResult
            `parts`, whose columns hold the values; `remarks`; `to_dict()`; `save(path)` as CSV, JSON, npz or text. It
            prints as the command does.

        Raises
        ------
        ConfigError
            If there is no such view or option, or the view cannot be built from these.
        UnknownCharacterError
            If the text has characters that the model does not know.

        Examples
        --------
        >>> view = model.view("cell", "abcad", units=["0:1"], by="f")
        >>> len(view.to_dict()["cell"]["0:1 f"])
        5
        """
        from charlstm.inspection.registry import build_view, check_view
        from charlstm.render.results import ViewResult

        subject = self._subject(text, skip_unknown)
        check_view(name, subject, options)
        return ViewResult(*build_view(name, subject, _unwrap_models(options)))

    def html(
        self,
        text: str | TextSource | Sequence[TextSource] | None = None,
        view: str | None = None,
        *,
        examples: str | Sequence[str] = (),
        skip_unknown: bool = False,
        **options: Any,
    ) -> str:
        """Return a page for a browser, one HTML file: the model itself, which reads what the user types, and all views.

        Parameters
        ----------
        text
            The text with which the page opens, and which the views read; None: the page opens with an example.
        view
            Name of the view that is open; None: the live model.
        examples
            A text or several, which the page offers instead of the examples in the model file.
        skip_unknown, options
            As for `view`; each option goes to the views that have it.

        Raises
        ------
        ConfigError
            If the page would be too large for a browser, the view cannot be built, or an example is empty.
        UnknownCharacterError
            If the text or an example has characters that the model does not know.
        """
        from charlstm.inspection.examples import examples_of
        from charlstm.render.page import build_page

        offered = examples_of(self.model, examples, skip_unknown)
        return build_page(self._subject(text, skip_unknown), view, _unwrap_models(options), offered)

    def page(
        self,
        path: str | os.PathLike[str] | None = None,
        text: str | None = None,
        *,
        force: bool = False,
        **options: Any,
    ) -> PageResult:
        """Return a page for a browser, which a notebook shows in place, and write it if a path is given; see `html`.

        Parameters
        ----------
        path
            The file; an existing file is replaced completely or not at all. None: no file is written.
        text, options
            As for `html`.
        force
            True: it may replace a model or a session.

        Returns
        -------
        PageResult
            `html` is the page; `save(path)` writes it.

        Raises
        ------
        ConfigError, UnknownCharacterError
            As for `html`; also if it would replace a model or a session and `force` is False.
        CharlstmError
            If the file cannot be written.

        Examples
        --------
        >>> model.page(text="abcad").html.startswith("<!doctype html>")
        True
        """
        from charlstm.base.files import Files
        from charlstm.render.results import PageResult

        if path is not None:
            Files().add_output(path, replace=force)  # refused before the page is built
        result = PageResult(self.html(text, **options))
        if path is not None:
            result.save(path, force)
        return result

    def score(
        self,
        text: str,
        adapt: bool = False,
        adapt_rate: float | None = None,
        mix: Mapping[str, float] | Sequence[tuple[str, float]] = (),
    ) -> ScoreResult:
        """Return how well the network predicts a text.

        Parameters
        ----------
        text
            N characters, one or more.
        adapt
            True: score with dynamic evaluation. The weights take a gradient step on each segment of the text after it
            was predicted (Krause et al. 2018, "Dynamic evaluation of neural sequence models"). The model stays
            unchanged. Do not compare a score with dynamic evaluation to one without.
        adapt_rate
            Learning rate of dynamic evaluation; None: the default, see `charlstm.model.adaptation`.
        mix
            Score a mixture, such as `{"cache": 0.1}` or `{"counts": 0.2, "cache": 0.1}`: the weights of the n-grams of
            the text that was read before each character, and of the counts that the model holds; see
            `charlstm.sampling.mixture`.

        Returns
        -------
        Score
            `bits`, the sum of the surprisal −log₂ p; `bits_per_character`; `perplexity`; `surprise`: (N,) array, the
            surprisal in bits, NaN where there is no prediction; `passages`: the most surprising ones and their places;
            `calibration`: predicted and observed frequencies in ten bins, and the fitted `temperature`.

        Raises
        ------
        UnknownCharacterError
            If the text has characters that the model does not know.
        CorpusError
            If the text is empty.
        ConfigError
            If `adapt` is not True or False, the rate is not a number above 0, or `mix` is not possible.
        TrainingError
            If dynamic evaluation diverges.

        Examples
        --------
        >>> score = model.score("abcad")
        >>> score.predicted, round(score.bits / score.bits_per_character)
        (4, 4)
        >>> score = model.score("abcadabcad", mix={"cache": 0.2})
        >>> score.predicted
        9
        """
        from charlstm.inspection.score import Scorer, score_text
        from charlstm.inspection.view import TextSource
        from charlstm.render.measures import ScoreResult

        source = TextSource("the text", [check_text("text", text)])
        config = _adapt_config(adapt, adapt_rate)
        scorer = Scorer("the model", self.model, config.adapt_rate if config.adapt else 0.0, check_mix(mix))
        return ScoreResult(*score_text(source, [scorer])[0])

    def cloze(self, pairs: Iterable[Sequence[str]]) -> ClozeResult:
        """Complete prompts whose answers are known.

        Parameters
        ----------
        pairs
            N prompts and answers, one or more. An answer is the continuation of its prompt, with a space before it.

        Returns
        -------
        Cloze
            `correct`: (N,) booleans, whether the most probable continuation is the answer; `accuracy`, their mean;
            `predicted`, the continuations; `probability`: (N,), of the answer after its prompt; `rank`: (N,), of the
            answer's least probable character at its place. See `inspection.cloze`.

        Raises
        ------
        UnknownCharacterError
            If a prompt or an answer has characters that the model does not know.
        ConfigError
            If there is no prompt, or an answer is empty.

        Examples
        --------
        >>> result = model.cloze([("abc", "d"), ("ab", "cd")])
        >>> len(result.predicted), result.rank.shape
        (2, (2,))
        """
        from charlstm.inspection.cloze import answer_questions
        from charlstm.render.measures import ClozeResult

        try:
            several = list(pairs)
        except TypeError as error:
            raise ConfigError(
                f"{named('pairs')} is {show_value(pairs)}; it must be a list of prompts and answers"
            ) from error
        return ClozeResult(*answer_questions(self.model, [_read_pair(pair) for pair in several]))

    def _subject(self, text: str | TextSource | Sequence[TextSource] | None, skip_unknown: bool) -> Subject:
        from charlstm.inspection.registry import Subject

        return Subject(self.model, text, skip_unknown, self.name)


def _adapt_config(adapt: bool, rate: float | None) -> AdaptConfig:
    """Return whether a model learns while it reads, with the default rate if none is given."""
    return AdaptConfig(adapt) if rate is None else AdaptConfig(adapt, rate)


def _read_pair(pair: Sequence[str]) -> Question:
    """Return the question of a prompt and an answer; raise ConfigError if it is something else."""
    from charlstm.inspection.cloze import Question

    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ConfigError(f"{named('pairs')} has {show_value(pair)}; each must be a prompt and an answer")
    return Question(*(check_text("pairs", one) for one in pair))


def _unwrap_models(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with the models, instead of the language models, to compare."""
    others = options.get("compare")
    if others is None:
        return options
    if not isinstance(others, Mapping) or not all(
        isinstance(name, str) and isinstance(other, LanguageModel) for name, other in others.items()
    ):
        raise ConfigError(
            f"{named('compare')} is {show_value(others)}; it must be a dict of a name and a language model"
        )
    return options | {"compare": {name: other.model for name, other in others.items()}}


def load(path: str | os.PathLike[str]) -> LanguageModel:
    """Return the model of a file that `charlstm train` wrote, or a model that is part of the package.

    Parameters
    ----------
    path
        The file, or the name of a bundled model: "rooms". A file of that name is preferred; "./rooms" and "rooms.npz"
        are always files.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, not ours, or of a later version.

    Examples
    --------
    >>> rooms = load("rooms")
    >>> rooms
    <LanguageModel: lstm, 1 × 192 units, 174,171 parameters>
    >>> rooms.sample("mady and monica walk in. mady said hi to", temperature=0).text
    ' monica.'
    """
    where = bundled.locate(path)
    return LanguageModel(checkpoint.load(where), bundled.name_of(where))
