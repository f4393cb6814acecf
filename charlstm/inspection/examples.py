"""The texts that a page offers: given ones, those that the model file stores, or some that the model samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from charlstm.base.config import check_texts
from charlstm.base.errors import CharlstmError, ConfigError
from charlstm.base.symbols import END
from charlstm.inspection.telling_place import find_telling_place
from charlstm.model.model import Model
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sampler
from charlstm.sampling.stopping import StoppingRules
from charlstm.text.examples import COUNT, group_documents, shorten_text
from charlstm.text.facts import Example

ATTEMPTS = 24  # texts that are sampled to choose from
LENGTH, LONGEST_DOCUMENT = 120, 200  # characters of a sampled text
SAMPLING = SamplingConfig(temperature=0.5, random_seed=0)


class OfferedText(NamedTuple):
    """A text that a page offers.

    Attributes
    ----------
    text
        One character or more, with the end symbol between documents.
    label
        The label with which the model reads it; None for a model without labels.
    place
        Position of the character at which the page opens it; see `find_telling_place`.
    """

    text: str
    label: str | None
    place: int


def examples_of(model: Model, given: str | Sequence[str] = (), skip_unknown: bool = False) -> list[OfferedText]:
    """Return the texts that a page of a model offers.

    Parameters
    ----------
    model
        The model; given texts are read with its label.
    given
        A text or several; none: those that the model file stores, or else up to three that the model samples.
    skip_unknown
        True: characters of given texts that the model does not know are skipped; False: they are an error.

    Raises
    ------
    UnknownCharacterError
        If a given text has characters that the model does not know.
    ConfigError
        If a given text is empty, or the model has labels and none is chosen for given texts.
    """
    examples: Sequence[Example] = [
        Example(_parse(model, text, skip_unknown), model.label) for text in check_texts("examples", given, 1)
    ]
    examples = examples or model.examples or _sample_examples(model)
    return [OfferedText(text, label, find_telling_place(model.with_label(label), text)) for text, label in examples]


def _parse(model: Model, text: str, skip_unknown: bool) -> str:
    """Return a given text as the model reads it."""
    parsed = model.documents.parse(text)
    known = model.vocabulary.known(parsed)
    if not skip_unknown:
        model.vocabulary.encode(parsed, "an example")
    elif not known:
        raise ConfigError("an example has no character that the model knows; give another one")
    return known


def _sample_examples(model: Model) -> list[Example]:
    """Return up to three texts that a model samples, the same ones at every call; short documents are joined.

    There are none if the model writes only empty documents, or if its weights are too large to predict anything.
    """
    stopping = StoppingRules(LONGEST_DOCUMENT if model.documents else LENGTH)
    try:
        samples = Sampler(model, "", SAMPLING, stopping, ATTEMPTS).collect()
    except CharlstmError:
        return []
    found = list(dict.fromkeys(Example(one.text, one.label) for one in samples if one.text.strip()))
    if model.documents:
        groups = group_documents([len(text) for text, _ in found], [label for _, label in found])
        found = [Example(END.join(text for text, _ in found[group]), found[group.start].label) for group in groups]
    most = LONGEST_DOCUMENT - 1 if model.documents else LENGTH - 1
    return [Example(shorten_text(text, most), label) for text, label in found[:COUNT]]
