"""What training chooses by itself follows the rules that docs/recipes.md describes."""

import pytest

from charlstm.training import recipe


def test_the_work_grows_with_the_square_root_of_the_text_up_to_a_limit():
    assert recipe.work(1_000_000) == pytest.approx(15e12)  # five minutes on two cores
    for characters in (100, 5_000, 250_000, 2_000_000):
        assert recipe.work(4 * characters) == pytest.approx(2 * recipe.work(characters))
    assert recipe.work(10**9) == recipe.work(10**8) == pytest.approx(45e12)
