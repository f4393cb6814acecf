"""Forbidden words: texts that a sample never contains, by prefix masking.

The character that would complete a forbidden word has the probability 0, and so has a character after which no
character could follow. The probabilities of the others are renormalised:

    p'(c | text) = p(c | text) · a(text, c) / Σ_d p(d | text) · a(text, d)

a is 1 for an allowed character and 0 for the others. The words that may be under way are found by one state per text of
an automaton (Aho & Corasick 1975, "Efficient string matching"), so a step costs the same for any number of words. This
is not the distribution of the model under the condition that the words never occur: that would lower the probability of
a word's first characters too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charlstm.base.errors import ConfigError
from charlstm.base.parameters import Array


class ForbiddenWords:
    """The characters that B texts may continue with, so that none of them contains a forbidden word.

    A state is a beginning of a word, by its number; state 0 is the empty one. A text is in the state of the longest
    beginning of a word that it ends with. Columns of the tables are the K distinct characters of the words, and one for
    all other characters.

    Parameters
    ----------
    words
        The forbidden texts, each of one character or more.
    code_points : (V,) array
        The characters of the vocabulary.
    allowed : (V,) array of bool, optional
        The characters that other rules allow; None: all.
    seeds
        The B texts before: a word that begins in one must not be completed; words that it contains do not matter.

    Raises
    ------
    ConfigError
        If every text would contain a forbidden word.
    """

    def __init__(self, words: Sequence[str], code_points: Array, allowed: Array | None, seeds: Sequence[str]) -> None:
        alphabet = sorted({character for word in words for character in word})
        self._column_of = {character: column for column, character in enumerate(alphabet)}
        self._columns = np.full(len(code_points), len(alphabet), np.intp)  # (V,)
        for place, point in enumerate(code_points.tolist()):
            self._columns[place] = self._column_of.get(chr(point), len(alphabet))
        self._next, self._free = self._build(words, len(alphabet) + 1)
        usable = np.zeros(len(alphabet) + 1, bool)  # (K + 1,)
        usable[self._columns if allowed is None else self._columns[allowed]] = True
        self._remove_dead_ends(usable)
        self._allowed = np.ones(len(code_points), bool) if allowed is None else allowed  # (V,)
        self._longest = max(map(len, words))
        self._states = np.array([self._find_state(seed) for seed in seeds], np.intp)  # (B,)
        if not (self._free[self._states] & usable).any(axis=1).all():
            raise ConfigError(
                "every continuation would contain a forbidden word; forbid fewer words, or allow more characters"
            )

    @property
    def allowed(self) -> Array:
        """The characters that each text may continue with: (B, V) array of bool."""
        return np.asarray(self._free[self._states][:, self._columns] & self._allowed)

    def add(self, ids: Array) -> None:
        """Add the next character of each text, (B,)."""
        self._states = self._next[self._states, self._columns[ids]]

    def _build(self, words: Sequence[str], columns: int) -> tuple[Array, Array]:
        """Return the next state of each state and column, and whether that character is free: (S, K + 1) each.

        A character that completes a word, also one within the beginning of another word, is not free.
        """
        children: list[dict[int, int]] = [{}]
        complete: set[tuple[int, int]] = set()
        for word in words:
            state = 0
            for character in word[:-1]:
                state = children[state].setdefault(self._column_of[character], len(children))
                if state == len(children):
                    children.append({})
            complete.add((state, self._column_of[word[-1]]))
        following = np.zeros((len(children), columns), np.int32)  # (S, K + 1)
        free = np.ones((len(children), columns), bool)  # (S, K + 1)
        shorter = [0] * len(children)  # the longest beginning that ends each state, apart from itself
        queue = [0]
        for state in queue:
            if state:
                following[state], free[state] = following[shorter[state]], free[shorter[state]]
            for column, child in children[state].items():
                shorter[child] = int(following[state, column])
                following[state, column] = child
                queue.append(child)
            for column in range(columns - 1):
                if (state, column) in complete:
                    free[state, column] = False
        return following, free

    def _remove_dead_ends(self, usable: Array) -> None:
        """Forbid the characters after which no usable character, (K + 1,), is free."""
        if usable[-1]:  # a character of no word leads away from all words
            return
        while True:
            dead = ~(self._free & usable).any(axis=1)  # (S,)
            leads = np.asarray(dead)[self._next] & self._free  # (S, K + 1)
            if not leads.any():
                return
            self._free &= ~leads

    def _find_state(self, text: str) -> int:
        """Return the state of a text; a word within it counts as passed."""
        state = 0
        for character in text[max(0, len(text) - self._longest + 1) :]:
            state = int(self._next[state, self._column_of.get(character, -1)])
        return state
