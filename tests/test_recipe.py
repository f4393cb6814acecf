"""What training chooses by itself follows the rules of the recipe; the numbers here were computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from charlstm.training import recipe


def test_the_work_grows_with_the_square_root_of_the_text_up_to_a_limit() -> None:
    assert recipe.choose_work(1_000_000) == pytest.approx(15e12)  # five minutes on two cores
    for characters in (100, 5_000, 250_000, 2_000_000):
        assert recipe.choose_work(4 * characters) == pytest.approx(2 * recipe.choose_work(characters))
    assert recipe.choose_work(10**9) == recipe.choose_work(10**8) == pytest.approx(45e12)


@pytest.mark.parametrize(
    ("characters", "lines", "given", "wanted"),
    [
        # 180·15.8^¼ = 359 units; 9.6 epochs, 5,202 batches; 0.03·√(256/352); 0.44 recurrent weights per character:
        # 9.6/35·0.16·log₂ 1.44 and 0.05·(log₂ 10.6 − 2) + 9.6/35·0.08·log₂ 1.44; 6·15/9.6
        (1_115_394, 0, {}, ("hidden", 352, "batch_size", 16, "seq_len", 64)),
        (1_115_394, 0, {}, ("learning_rate", 0.0256, "dropout", 0.02, "weight_dropout", 0.08)),
        (1_115_394, 0, {}, ("tar", 5.0, "averaging", 9.4)),
        # 1810·√0.005 = 128 units; 50 epochs; 13.1 recurrent weights per character: 0.61, and 0.18 + 0.31
        (
            5_000,
            0,
            {},
            ("hidden", 128, "batch_size", 8, "learning_rate", 0.03, "dropout", 0.6, "weight_dropout", 0.49),
        ),
        # √(4.74e12 / (12·35·100,000)) = 336 units are more than 180·4.74^¼ = 266
        (100_000, 0, {}, ("hidden", 352, "batch_size", 16)),
        # without a validation set; 96 of 128 units: 0.75·0.3
        (1_999, 0, {}, ("hidden", 96, "batch_size", 2, "dropout", 0.22, "weight_dropout", 0.22)),
        (2_000, 0, {}, ("batch_size", 8)),
        (29_999, 0, {}, ("batch_size", 8)),
        (30_000, 0, {}, ("batch_size", 16)),
        (99_999, 0, {}, ("batch_size", 16)),
        (100_000, 10_000, {"documents": "line"}, ("tar", 0.0, "averaging", 6.0)),
        (100_000, 10_000, {"documents": "line"}, ("clip", 1.0)),
        (400_000, 800, {"documents": "blank-line", "epochs": 18.0}, ("tar", 1.0, "clip", 0.1)),
        # 0.05·(log₂ 19 − 2) + 18/35·0.16·log₂(1 + 4·256²/400,000), and no such part for lines
        (400_000, 800, {"documents": "blank-line", "epochs": 18.0, "hidden": 256}, ("dropout", 0.17)),
        (400_000, 8_000, {"documents": "line", "epochs": 18.0, "hidden": 256}, ("dropout", 0.06)),
        (1_000_000, 0, {"steps": 300}, ("tar", 1.5, "clip", 0.1)),
        (1_000_000, 0, {"tar": 0.0}, ("tar", 0.0, "clip", 1.0)),
        (1_000_000, 0, {"cell": "gru"}, ("tar", 0.0)),
        (1_000_000, 0, {"epochs": 2.0}, ("averaging", 45.0)),
        (1_000_000, 0, {"steps": 0}, ("averaging", 900.0, "tar", 0.0)),
        # 20,000 batches of 32 rows of 64 characters, or more
        (1_000_000, 0, {"epochs": 40.9}, ("batch_size", 16)),
        (1_000_000, 0, {"epochs": 41.0}, ("batch_size", 32)),
        (1_000_000, 0, {"steps": 39_999}, ("batch_size", 16)),
        (1_000_000, 0, {"steps": 40_000}, ("batch_size", 32)),
        # lines learn at a quarter of the rate, 32 side by side however short the text
        (20_000, 3_000, {"documents": "line"}, ("batch_size", 32)),
        (1_000_000, 100_000, {"documents": "line", "hidden": 512}, ("learning_rate", 0.0053)),
        (1_000_000, 100_000, {"documents": "line", "cell": "gru"}, ("learning_rate", 0.0064)),
        (1_000_000, 0, {"cell": "gru", "hidden": 64}, ("learning_rate", 0.0075)),
        (1_000_000, 0, {"layers": 2, "hidden": 256}, ("learning_rate", 0.0212)),
        (1_000_000, 0, {"cell": "rnn", "hidden": 1_024}, ("learning_rate", 0.0015)),
        (1_000_000, 100_000, {"documents": "line", "cell": "rnn", "hidden": 64}, ("learning_rate", 0.003)),
        # 31,250 windows of 64 characters in 16 rows are 32 epochs, and 9,375 batches of 32 lines are 3
        (1_000_000, 0, {"steps": 31_250}, ("dropout", 0.08)),
        (1_000_000, 100_000, {"documents": "line", "steps": 9_375}, ("dropout", 0.01, "weight_dropout", 0.0)),
        (1_000_000, 0, {"epochs": 1.0}, ("dropout", 0.0, "weight_dropout", 0.0)),
        (1_000_000, 0, {"epochs": 1.0, "hidden": 32}, ("dropout", 0.0, "weight_dropout", 0.0)),
        (1_000_000, 0, {"dropout": 0.6, "forget_bias": 2.0}, ("dropout", 0.6, "forget_bias", 2.0)),
    ],
)
def test_the_settings_follow_from_the_text_and_the_work(
    characters: int, lines: int, given: dict[str, Any], wanted: tuple[Any, ...]
) -> None:
    chosen = {"documents": ""} | given
    epochs, steps = chosen.pop("epochs", None), chosen.pop("steps", None)
    lengths = np.full(lines, characters // max(lines, 1))
    found = recipe.choose_settings(characters, lengths, recipe.choose_work(characters), epochs, steps, chosen)
    assert {name: found[name] for name in wanted[::2]} == dict(zip(wanted[::2], wanted[1::2], strict=True))


def test_only_a_stream_has_windows_and_forgets_by_default() -> None:
    stream, lines, chrono = (
        recipe.choose_settings(10_000, np.full(100, 100), 1e12, None, None, chosen)
        for chosen in ({"documents": ""}, {"documents": "line"}, {"documents": "", "chrono_init": 9})
    )
    assert stream["seq_len"] == 64 and stream["forget_bias"] == 0.0
    assert not {"seq_len", "forget_bias"} & set(lines) and "forget_bias" not in chrono


def test_the_steps_are_what_the_work_allows_and_fifty_epochs_or_1000_steps_at_most() -> None:
    assert recipe.choose_steps(6e6, 1_000, 100.0, 7, "") == 20  # a character is read, and learnt from, for 3,000
    assert recipe.choose_steps(6e9, 1_000, 100.0, 21, "") == 1050
    assert recipe.choose_steps(6e9, 1_000, 100.0, 36, "line") == 1080
    assert recipe.choose_steps(6e9, 1_000, 100.0, 19, "") == 1000
    assert recipe.choose_steps(10.0, 1_000, 100.0, 7, "") == 1


@pytest.mark.parametrize(
    ("cores", "rows", "parameters", "predictions", "wanted"),
    [
        (8, 32, 1_000_000, 2048, 8),
        (9, 32, 1_000_000, 2048, 8),  # four rows each
        (2, 32, 1_000_000, 2048, 2),
        (8, 15, 1_000_000, 2048, 3),
        (8, 32, 100_000, 2048, 2),  # 80 million each
        (8, 32, 10_000, 2048, 1),
        (8, 3, 1_000_000, 2048, 1),
    ],
)
def test_a_step_is_shared_where_every_process_has_enough_of_it(
    cores: int, rows: int, parameters: int, predictions: int, wanted: int
) -> None:
    assert recipe.choose_workers(cores, rows, parameters, predictions) == wanted


@pytest.mark.parametrize(
    ("lengths", "rows", "seq_len"),
    [
        *[([100] * 9_000, 20, 100), ([500] * 900, 8, 500), ([50] * 9_000, 32, 50), ([5_000] * 90, 32, 64)],
        *[([10, 100_001], 32, 64), ([10, 1_001], 2, 64), ([50] * 90, 8, 50)],  # batches of short texts are small
        *[([100] * 90, 5, 100), ([500] * 50, 2, 500), ([500] * 90, 4, 500), ([5_000] * 9, 16, 64)],
    ],
)
def test_documents_are_whole_windows_up_to_a_thousand_characters(lengths: list[int], rows: int, seq_len: int) -> None:
    chosen = {"documents": "blank-line"}
    found = recipe.choose_settings(sum(lengths), np.array(lengths), 1e12, None, None, chosen)
    assert (found["batch_size"], found["seq_len"]) == (rows, seq_len)
    assert recipe.choose_memory(max(lengths), found) == {"chrono_init": min(max(lengths), seq_len)}
