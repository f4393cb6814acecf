"""What a Python program does with a trained model; the commands are a thin layer over it.

What only one method needs is imported by it, so that a text begins at once.

import charlstm

model = charlstm.load("charlstm.npz")
print(model.sample("mady said hi to", length=100, temperature=0.7))
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charlstm.config import check_whole
from charlstm.model import checkpoint
from charlstm.model.model import Model
from charlstm.network.loss import NATS_PER_BIT
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sample, Sampler
from charlstm.sampling.stopping import StoppingRules

if TYPE_CHECKING:
    from charlstm.inspection.cloze import Cloze
    from charlstm.inspection.novelty import Novelty
    from charlstm.inspection.score import Score
    from charlstm.render.notebook import ShownTrace
    from charlstm.render.shown import ShownView
    from charlstm.sampling.session import Session

LENGTH = 500


class LanguageModel:
    """A trained model that writes and reads texts.

    Parameters
    ----------
    model
        Network, vocabulary, and how they came about.

    Attributes
    ----------
    model : Model
        The same.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def __repr__(self) -> str:
        config, size = self.model.network.config, self.model.network.parameters.flat.size
        return f"<LanguageModel: {config.cell}, {config.layers} × {config.hidden} units, {size:,} parameters>"

    def sampler(
        self,
        seed: str = "",
        length: int | None = None,
        temperature: float = SamplingConfig.temperature,
        *,
        count: int = 1,
        new_only: bool = False,
        stop: str | Sequence[str] = (),
        hide_stop: bool = False,
        lines: int | None = None,
        sentence: bool = False,
        **rules: Any,
    ) -> Sampler:
        """Return a sampler of several continuations of a text, which it samples side by side.

        Parameters
        ----------
        seed, length, temperature, stop, hide_stop, lines, sentence, rules
            See `sample`.
        count
            Number of samples (B), 1 or more.
        new_only
            True: omit lines that occur in the corpus; only for a model that was trained on lines.

        Returns
        -------
        Sampler
            `collect()` returns B samples; iteration yields their characters as they are sampled.

        Raises
        ------
        UnknownCharacterError
            If the seed contains characters that the model does not know.
        ConfigError
            If a value is out of range, or there is no such rule.

        Examples
        --------
        >>> [len(sample.text) for sample in model.sampler("a", length=3, count=2).collect()]
        [3, 3]
        """
        stopping = self._stopping_rules(length, stop, hide_stop, lines, sentence)
        sampling = SamplingConfig.from_rules(temperature=temperature, **rules)
        return Sampler(self.model, seed, sampling, stopping, check_whole("count", count, 1), new_only)

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
        **rules: Any,
    ) -> Sample:
        """Continue a text.

        Parameters
        ----------
        seed
            The text to continue; empty: start as a text of the corpus starts.
        length
            Maximum number of new characters; by default 500, or no maximum if `lines` is given.
        temperature
            Divides the logits: values below 1 favour likely characters, values above 1 unlikely ones; 0 always takes
            the most likely character.
        stop
            Stop after this string, or any of several.
        hide_stop
            True: omit the stop string.
        lines
            Stop after this many newlines; by default 1 if the model was trained on lines and `length` is not given.
        sentence
            True: stop at the end of the first sentence.
        rules
            Further sampling rules by name, such as `top_p=0.9` or `random_seed=1`; see
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
            If a value is out of range, or there is no such rule.

        Examples
        --------
        >>> sample = model.sample("ab", length=5, temperature=0.7, top_k=3)
        >>> len(sample.text), sample.stop
        (5, 'length')
        >>> str(sample) == "ab" + sample.text
        True
        """
        stopping = self._stopping_rules(length, stop, hide_stop, lines, sentence)
        sampling = SamplingConfig.from_rules(temperature=temperature, **rules)
        return Sampler(self.model, seed, sampling, stopping).collect()[0]

    def stream(self, seed: str = "", temperature: float = SamplingConfig.temperature, **rules: Any) -> Iterator[str]:
        """Continue a text without end, character by character.

        Parameters
        ----------
        seed, temperature, rules
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
        >>> "".join(islice(model.stream("ab"), 5)) == model.sample("ab", length=5).text
        True
        """
        sampling = SamplingConfig.from_rules(temperature=temperature, **rules)
        return (sampled.character for sampled in Sampler(self.model, seed, sampling, StoppingRules()))

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
        from charlstm.sampling.beam import beam_search

        stopping = self._stopping_rules(length, stop, hide_stop, lines, sentence)
        results = beam_search(self.model, seed, width, stopping, SamplingConfig(forbid=forbid, only=only), count)
        return [
            Sample(
                seed,
                result.text,
                -result.shown_log_probability / NATS_PER_BIT / len(result.text) if result.text else math.nan,
                result.stop,
            )
            for result in results
        ]

    def session(
        self,
        length: int | None = None,
        temperature: float = SamplingConfig.temperature,
        *,
        stop: str | Sequence[str] = (),
        hide_stop: bool = False,
        lines: int | None = None,
        sentence: bool = False,
        **rules: Any,
    ) -> Session:
        """Return a session: you and the model extend a text in turns, and the network's state is kept between them.

        Parameters
        ----------
        length, temperature, stop, hide_stop, lines, sentence, rules
            See `sample`; they apply to each continuation.

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
        return Session(self.model, SamplingConfig.from_rules(temperature=temperature, **rules), stopping)

    def _stopping_rules(
        self, length: int | None, stop: str | Sequence[str], hide_stop: bool, lines: int | None, sentence: bool
    ) -> StoppingRules:
        """Return where a text stops; without `length` and `lines` the model's kind of corpus decides."""
        if lines is None and length is None:
            length, lines = (None, 1) if self.model.training.lines else (LENGTH, None)
        return StoppingRules(length, stop, hide_stop, lines, sentence)

    def novelty(
        self,
        made: str | Sample | Sequence[str | Sample],
        corpora: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        encoding: str = "utf-8",
    ) -> Novelty:
        """Find what of one text that was made, or several, stands in a corpus word for word.

        Parameters
        ----------
        made
            What `sample` returned, or texts. Of a sample only what follows the seed is looked for.
        corpora
            A file, or several, read as training reads them, in blocks: their length costs no memory, but for a model of
            lines that of their ids.
        encoding
            Name of a text encoding.

        Returns
        -------
        Novelty
            `novel`: how many parts of each length are new; `runs()`: the longest that are not, with their places;
            `lines`, for a model of lines: how many are new, learnt, held out. `view()` is what the command shows.

        Raises
        ------
        CorpusError
            If a file cannot be read or decoded.
        ConfigError
            If there is no text, or no file.
        """
        from charlstm.inspection.novelty import novelty

        several = [made] if isinstance(made, (str, Sample)) else list(made)
        files = [corpora] if isinstance(corpora, (str, os.PathLike)) else list(corpora)
        texts = [one.text if isinstance(one, Sample) else one for one in several]
        begun = [one.seed.rpartition("\n")[2] if isinstance(one, Sample) else "" for one in several]
        return novelty(self.model, texts, [Path(file) for file in files], encoding, begun)

    def trace(self, text: str) -> ShownTrace:
        """Return everything that the network did while it read a text: activations, predictions, surprise.

        Parameters
        ----------
        text
            N characters, one or more.

        Returns
        -------
        ShownTrace
            `layers[l]["f"]`, …: (N, H) arrays; `log_probabilities`: (N, V), in nats; `surprise`: (N,), in bits.
            `arrays` has all of them by name, `to_dict()` as lists that JSON can hold, `save(path)` writes an `.npz`.
            A notebook shows it as text shaded by surprise.

        Raises
        ------
        UnknownCharacterError
            If the text has characters that the model does not know.
        """
        from charlstm.inspection.trace import trace
        from charlstm.render.notebook import ShownTrace

        return ShownTrace(*trace(self.model, text))

    def view(self, name: str, text: str | None = None, **options: Any) -> ShownView:
        """Look into the model: what `charlstm inspect --view` shows.

        Parameters
        ----------
        name
            gates, cell, units, saturation, memory, why, patch, gradients, history, …; see `inspect.views.VIEWS`.
        text
            What the model reads; None for a view of the model alone.
        options
            Those of the view, by the names that the command has for them: `match="[0-9]+"`, `units=["0:7"]`,
            `swap_memory="…"`. `compare` takes name → model.

        Returns
        -------
        ShownView
            `parts`, whose columns hold the values; `to_dict()`; `save(path)` as CSV, JSON, npz or text. Printed or in a
            notebook it is what the command prints.

        Raises
        ------
        ConfigError
            If there is no such view or option, or the view cannot be made of these.
        UnknownCharacterError
            If the text has characters that the model does not know.
        """
        from charlstm.inspection.views import looked_at
        from charlstm.render.shown import ShownView

        if "compare" in options:
            options["compare"] = {name: other.model for name, other in options["compare"].items()}
        return ShownView(*looked_at(self.model, name, text, options))

    def page(self, path: str | os.PathLike[str], text: str | None = None) -> None:
        """Write a page for a browser, one file: a trace of a text to move through, and all views.

        Parameters
        ----------
        path
            The file; what stood there is replaced whole, or not at all.
        text
            What the model reads; None: a page of the model alone.

        Raises
        ------
        ConfigError
            If the page would be too large for a browser.
        UnknownCharacterError
            If the text has characters that the model does not know.
        CharlstmError
            If it cannot be written.
        """
        from charlstm.model.files import replace_with
        from charlstm.render import page

        replace_with(Path(path), page.of(self.model, text))

    def score(self, text: str, adapt: float = 0.0) -> Score:
        """Return how well the network predicts a text.

        Parameters
        ----------
        text
            N characters, one or more.
        adapt
            A learning rate: the network goes on learning while it reads, and predicts a stretch of the text with what
            it learnt from those before (Krause et al. 2018, "Dynamic evaluation of neural sequence models"). The model
            stays as it is. 0: it does not learn. A score while learning says something else than one without; do not
            compare the two as models.

        Returns
        -------
        Score
            `bits`, the sum of −log₂ p(character); `bits_per_character`; `perplexity`; `surprise`: (N,) array, in bits,
            NaN where nothing predicts the first character; `passages`: the most surprising ones, with their places.

        Raises
        ------
        UnknownCharacterError
            If the text has characters that the model does not know.
        CorpusError
            If the text is empty.
        ConfigError, TrainingError
            If the rate is not a number, 0 or more; if it is so high that the numbers run away.
        """
        from charlstm.inspection.score import Scorer, Text, scores

        return scores(Text("the text", [text]), [Scorer("the model", self.model, adapt)])[0]

    def cloze(self, pairs: Iterable[Sequence[str]]) -> Cloze:
        """Ask prompts whose answers are known.

        Parameters
        ----------
        pairs
            N prompts and answers, one or more; an answer is what the text goes on with, a space before it included.

        Returns
        -------
        Cloze
            `right`: (N,) booleans, whether the likeliest continuation is the answer; `share`, their mean; `said`, the
            continuations; `probability`: (N,), of the whole answer after its prompt; `rank`: (N,), of the answer's most
            unlikely character at its place. See `inspect.cloze`.

        Raises
        ------
        UnknownCharacterError
            If a prompt or an answer has characters that the model does not know.
        ConfigError
            If there is no prompt, or an answer is empty.
        """
        from charlstm.inspection.cloze import Question, answered

        return answered(self.model, [Question(prompt, answer) for prompt, answer in pairs])


def load(path: str | os.PathLike[str]) -> LanguageModel:
    """Return the model of a file that `charlstm train` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, not ours, or of a later version.
    """
    return LanguageModel(checkpoint.load(Path(path)))
