"""The score of a continuation is what the plain equations give, character by character, whatever stands beside it."""

import math
from itertools import islice

import numpy as np
import pytest
import reference
from small import by_reference, every_kind, model, network

from charlstm.inspection.continuation import copy_reader, score_continuations, write_greedily
from charlstm.inspection.trace import start_reader

CHARACTERS = "\n abcd"
TEXTS = ["ab ca", "dda b", "cabba"]
CONTINUATIONS = ["b", "dab c", "a b"]


def read_all(it):
    reader = start_reader(it, len(TEXTS))
    reader.read(np.stack([it.vocabulary.encode(text) for text in TEXTS], axis=1))
    return reader


def probabilities_after(kind, it, text):
    ids = it.vocabulary.encode(it.opening + text)[:, None]
    return reference.probabilities(by_reference(kind, it.network, ids).logits[-1][0])


@every_kind
@pytest.mark.parametrize("lines", [False, True])
def test_a_continuation_is_scored_character_by_character(kind, lines):
    it = model(network(kind, layers=2, vocabulary=len(CHARACTERS)), CHARACTERS, lines)
    ids = [it.vocabulary.encode(continuation) for continuation in CONTINUATIONS]
    reader = read_all(it)
    found = score_continuations(copy_reader(reader), ids)
    for row, (text, continuation) in enumerate(zip(TEXTS, CONTINUATIONS, strict=True)):
        log_p, rank = 0.0, 1
        for k, character in enumerate(continuation):
            chances = probabilities_after(kind, it, text + continuation[:k])
            own = chances[CHARACTERS.index(character)]
            log_p, rank = log_p + math.log(own), max(rank, 1 + sum(other > own for other in chances))
        assert found.log_probability[row] == pytest.approx(log_p, rel=1e-9) and found.rank[row] == rank
        one = start_reader(it)
        one.read(it.vocabulary.encode(text)[:, None])
        alone = score_continuations(one, [ids[row]])
        assert (alone.log_probability[0], alone.rank[0]) == (found.log_probability[row], found.rank[row])
    again = score_continuations(reader, ids)
    np.testing.assert_array_equal(again.log_probability, found.log_probability)


@every_kind
def test_what_is_written_greedily_is_the_most_probable_character_again_and_again(kind):
    it = model(network(kind, vocabulary=len(CHARACTERS)), CHARACTERS)
    written = np.array(list(islice(write_greedily(read_all(it)), 6)))
    for text, column in zip(TEXTS, written.T, strict=True):
        for index in column:
            chances = probabilities_after(kind, it, text)
            assert index == max(range(len(chances)), key=chances.__getitem__)
            text += CHARACTERS[index]
