"""Characters and their ids: the sorted Unicode code points of a corpus, and the end symbol of its documents."""

from __future__ import annotations

import numpy as np

from charlstm.base.errors import ConfigError, UnknownCharacterError, named, show_value
from charlstm.base.parameters import Array
from charlstm.base.symbols import END

CODE_POINTS = 0x110000
NAMED_AT_MOST = 5
BLOCK = 1 << 18  # characters encoded at once, which bounds the working memory


class Vocabulary:
    """The characters that a model knows, in ascending order; the id of a character is its index.

    The vocabulary of a model of documents has one symbol more, `END`. It stands in the order just before the newline.

    Parameters
    ----------
    code_points : (V,) array of uint32
        Distinct and in this order, one or more.

    Attributes
    ----------
    code_points : (V,) array of uint32
        The characters.
    id_type : dtype
        The smallest unsigned integer type that holds every id.

    Raises
    ------
    ValueError
        If the code points are not distinct, in this order and within Unicode.
    """

    def __init__(self, code_points: Array) -> None:
        points = np.asarray(code_points, np.int64)  # (V,)
        if points.ndim != 1 or not points.size or points.min() < 0 or points.max() >= CODE_POINTS:
            raise ValueError("a vocabulary is a list of distinct ascending Unicode code points")
        places = np.where(points == ord(END), ord("\n") - 0.5, points)  # (V,)
        if (np.diff(places) <= 0).any():
            raise ValueError("a vocabulary is a list of distinct ascending Unicode code points")
        self.code_points: Array = points.astype(np.uint32)
        self.id_type = np.min_scalar_type(len(points) - 1)

    @classmethod
    def of(cls, code_points: Array) -> Vocabulary:
        """Return the vocabulary of distinct code points in any order, which may have that of `END` among them."""
        places = np.where(code_points == ord(END), ord("\n") - 0.5, code_points)  # (V,)
        return cls(code_points[np.argsort(places)])

    def __len__(self) -> int:
        return len(self.code_points)

    @property
    def characters(self) -> str:
        """Return all characters, in the order of their ids."""
        return text_of(self.code_points)

    @property
    def end(self) -> int | None:
        """Id of the end symbol; None in the vocabulary of a stream."""
        return self.id(END) if END in self else None

    def __contains__(self, character: str) -> bool:
        return ord(character) in self.code_points

    def id(self, character: str) -> int:
        """Return the id of a known character."""
        return int(self.encode(character)[0])

    def character(self, index: int) -> str:
        """Return the character with an id."""
        return chr(self.code_points[index])

    def encode_known(self, code_points: Array) -> Array:
        """Return the ids of code points that all belong to the vocabulary: (N,) array of `id_type`."""
        table = np.zeros(int(self.code_points.max()) + 1, self.id_type)
        table[self.code_points] = np.arange(len(self))
        return np.asarray(table[code_points])

    def translate(self, text: str) -> str:
        """Return a text with the newline and the end symbol as this vocabulary has them.

        Where a model of lines has the end symbol, a stream has a newline.
        """
        if "\n" in text and "\n" not in self and END in self:
            return text.replace("\n", END)
        return text.replace(END, "\n") if END in text and END not in self else text

    def match(self, other: Vocabulary) -> tuple[list[int], list[int]]:
        """Return the ids of the symbols that both vocabularies have, here and in the other one.

        The end symbol of one matches the newline of the other where only that one has it; see `translate`.
        """
        here, characters = {one: index for index, one in enumerate(self.characters)}, other.characters
        ours, theirs = [], []
        for index, one in enumerate(characters):
            same = self.translate(one)
            if same in here and (same == one or same not in characters):
                ours.append(here[same])
                theirs.append(index)
        return ours, theirs

    def encode(self, text: str, what: str = "the text", before: int = 0, skippable: bool = True) -> Array:
        """Return the ids of a text: (N,) array of `id_type`. See `translate`.

        Parameters
        ----------
        text
            Any characters.
        what
            What the text is called in an error.
        before
            Characters of it that come before these.
        skippable
            Whether the option --unknown applies to the text, for the advice of an error.

        Raises
        ------
        UnknownCharacterError
            If a character is not in the vocabulary; the message names each, its code point and its positions.
        """
        text = self.translate(text)
        ids = np.empty(len(text), self.id_type)  # (N,)
        for first in range(0, len(text), BLOCK):
            points = code_points_of(text[first : first + BLOCK])
            if not self._knows(points).all():
                every = code_points_of(text)
                unknown = np.flatnonzero(~self._knows(every))
                raise self._unknown(every, unknown, what, before, skippable)
            ids[first : first + BLOCK] = self.encode_known(points)
        return ids

    def known(self, text: str) -> str:
        """Return the text without its unknown characters. See `translate`."""
        points = code_points_of(self.translate(text))
        return text_of(points[self._knows(points)])

    def _knows(self, points: Array) -> Array:
        """Return which code points are in the vocabulary; `numpy.isin` would import `numpy.ma`, which takes long."""
        table = np.zeros(int(self.code_points.max(initial=0)) + 2, bool)  # the last one: all that are larger
        table[self.code_points] = True
        return np.asarray(table.take(points, mode="clip"))

    def check_possible(self, setting: str, text: str) -> None:
        """Refuse a setting whose text can never occur, because the model does not know a character of it.

        Raises
        ------
        ConfigError
            If there is such a character.
        """
        points = code_points_of(text)
        if not self._knows(points).all():
            unknown = np.unique(points[~self._knows(points)]).tolist()
            shown = [name(chr(point)) for point in unknown[:NAMED_AT_MOST]]
            more = [f"{len(unknown) - NAMED_AT_MOST:,} others"] if len(unknown) > NAMED_AT_MOST else []
            raise ConfigError(
                f"{named(setting)} is {show_value(text)}; it must have only characters that the model knows, and it"
                f" does not know {', '.join([*shown, *more])}"
            )

    def decode(self, ids: Array) -> str:
        """Return the text of ids: (N,) array → N characters."""
        return text_of(self.code_points[ids])

    def _unknown(self, points: Array, where: Array, what: str, before: int, skippable: bool) -> UnknownCharacterError:
        odd, first, count = np.unique(points[where], return_index=True, return_counts=True)
        shown = [
            f"{name(chr(point))} at character {before + where[place] + 1:,}"
            + (f" and {times - 1:,} more" if times > 1 else "")
            for point, place, times in zip(odd, first, count, strict=True)
        ]
        if len(shown) > NAMED_AT_MOST:
            shown[NAMED_AT_MOST:] = [f"{len(shown) - NAMED_AT_MOST:,} others"]
        return UnknownCharacterError(
            f"{what} has characters that are not in the model's vocabulary: {'; '.join(shown)}",
            python="remove them, for example with model.model.vocabulary.known(text)",
            command=f"remove them{', or skip them with --unknown skip' * skippable}",
            session=f"remove them{', or skip them with /unknown skip' * skippable}",
        )


def name(character: str) -> str:
    """Return a character in a readable form: itself if it is printable, and its code point."""
    return (f"'{character}' " if character.isprintable() else "") + f"U+{ord(character):04X}"


def code_points_of(text: str) -> Array:
    """Return the code points of a text: (N,) array of uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def text_of(code_points: Array) -> str:
    """Return the text of code points."""
    return code_points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
