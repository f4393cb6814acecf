"""Write the poems that show what documents and labels are for: each ends with its title and rhymes by its mood.

A poem is a title and 4 to 30 lines, an even number. The lines alternate: one echoes the title, one rhymes; in the place
of the last rhyme comes the title again. The first echo has both words of the title, every later one has one of them.
The mood of a poem decides its rhyme, and nothing else in a poem depends on the mood. To end a poem, a model must
remember its title; for the first rhyme, it must read the label.

A title is an adjective and a noun. A quarter of all titles, spread evenly over the adjectives, occur only in the
validation set: a model that repeats them copies what it read.

rondels/MOOD.txt             the poems of the training set, a file for each mood, separated by blank lines
rondels-validation/MOOD.txt  the poems of the validation set: half of them have titles of their own
rondels-titles.txt           these titles, one per line

python data/make_rondels.py [FOLDER]             write them into a folder, by default this one
python data/check_rondels.py FILE...             check poems, also those that a model wrote
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TypeVar

ADJECTIVES = (
    *("Amber", "Brave", "Calm", "Crimson", "Dusty", "Early", "Empty", "Faded", "Frozen", "Golden", "Green"),
    *("Hidden", "Humble", "Icy", "Jolly", "Kind", "Little", "Lonely", "Mighty", "Misty", "Narrow", "Noble"),
    *("Old", "Pale", "Quiet", "Rusty", "Silver", "Simple", "Tiny", "Velvet", "Warm", "White"),
)
NOUNS = (
    *("Anchor", "Apple", "Bell", "Candle", "Crown", "Door", "Elm", "Feather", "Flute", "Garden", "Harp"),
    *("House", "Island", "Jewel", "Kettle", "Lantern", "Letter", "Mirror", "Nest", "Orchard", "Pearl", "Quill"),
    *("River", "Rose", "Star", "Stone", "Tower", "Violin"),
)
VALIDATION_TITLES = 4  # one title of this many occurs only in the validation set

PLACES = ("hill", "wood", "town", "mill", "brook", "field", "gate")
PEOPLE = ("we", "they", "you")
VERBS = ("sing", "walk", "dream", "hide", "laugh", "rest")
RHYMES = {
    "gloomy": ("in vain", "again", "in rain"),
    "merry": ("all day", "and play", "in May"),
    "tender": ("at noon", "in June", "too soon"),
    "wild": ("with me", "at sea", "so free"),
}

FEWEST_LINES, MOST_LINES = 4, 30
MORE_LINES = 0.6  # a poem with two more lines is this many times as frequent
TRAINING_POEMS, VALIDATION_POEMS = 600, 112  # of each mood
NEW_TITLES = 2  # one poem of this many in the validation set has a title that occurs only there

T = TypeVar("T")


def pick(rng: Random, items: Sequence[T]) -> T:
    """Return a random item; only `random`, whose numbers are the same in every version of Python, is called."""
    return items[int(rng.random() * len(items))]


def shuffle(rng: Random, items: Sequence[T]) -> list[T]:
    """Return items in random order."""
    return sorted(items, key=lambda _: rng.random())


def list_titles(validation: bool) -> list[str]:
    """Return the titles that occur only in the validation set, or all others.

    Of the titles with an adjective, a pseudo-random quarter occurs only there. A model would learn a regular choice,
    and then expect none of these titles.
    """
    chosen = []
    for adjective in ADJECTIVES:
        titles = [f"The {adjective} {noun}" for noun in NOUNS]
        titles.sort(key=lambda title: sha256(title.encode()).digest())
        new = len(titles) // VALIDATION_TITLES
        chosen += titles[:new] if validation else titles[new:]
    return sorted(chosen)


def deal(rng: Random, items: Sequence[T], count: int, hand: int) -> list[T]:
    """Return one of several hands of items: each item is dealt out before any comes again."""
    shuffled = shuffle(rng, items)
    return [shuffled[k % len(items)] for k in range(hand * count, (hand + 1) * count)]


def choose_lengths(count: int) -> list[int]:
    """Return the lengths of some poems in lines, in ascending order: short ones are frequent and none is missing."""
    allowed = range(FEWEST_LINES, MOST_LINES + 1, 2)
    weights = [MORE_LINES**k for k in range(len(allowed))]
    lengths = [n for n, w in zip(allowed, weights, strict=True) for _ in range(max(1, round(w * count / sum(weights))))]
    return ([FEWEST_LINES] * count + lengths)[-count:]


def write_line(rng: Random, number: int, title: str, mood: str) -> str:
    """Return a line with its number, from 1: the odd ones echo the title or a word of it, the even ones rhyme."""
    _, adjective, noun = title.lower().split()
    if number == 1:
        return f"so {adjective} the {noun}"
    if number % 2 == 0:
        start = "now" if number == 2 else pick(rng, PEOPLE)
        return f"{start} {pick(rng, VERBS)} {pick(rng, RHYMES[mood])}"
    return f"{pick(rng, (f'yet {adjective}', f'the {noun} by'))} the {pick(rng, PLACES)}"


def write_poem(rng: Random, title: str, mood: str, lines: int) -> str:
    """Return a poem of a number of lines below its title."""
    body = (write_line(rng, number, title, mood) for number in range(1, lines))
    return "\n".join([title, *body, title])


def write_poems(mood: str, count: int, validation: bool, seed: int) -> Iterator[str]:
    """Yield poems of a mood in random order, in which all titles of a kind occur about equally often."""
    rng, hand = Random(f"{seed} {mood} {validation}"), list(RHYMES).index(mood)
    new = count // NEW_TITLES if validation else 0
    titles = [
        *deal(Random(f"{seed} new"), list_titles(validation=True), new, hand),
        *deal(Random(f"{seed} known {validation}"), list_titles(validation=False), count - new, hand),
    ]
    for title, lines in zip(shuffle(rng, titles), shuffle(rng, choose_lengths(count)), strict=True):
        yield write_poem(rng, title, mood, lines)


def build_files(seed: int, training: int = TRAINING_POEMS, validation: int = VALIDATION_POEMS) -> dict[str, str]:
    """Return the text of every file by its name.

    Parameters
    ----------
    seed
        Seed of the random numbers; the same seed gives the same bytes.
    training, validation
        Poems of each mood in the training set and in the validation set.
    """
    files = {
        f"{folder}/{mood}.txt": "\n\n".join(write_poems(mood, count, is_validation, seed)) + "\n"
        for folder, count, is_validation in (
            ("rondels", training, False),
            ("rondels-validation", validation, True),
        )
        for mood in RHYMES
    }
    return files | {"rondels-titles.txt": "".join(f"{title}\n" for title in list_titles(validation=True))}


def main() -> None:
    """Write the files into a folder."""
    parser = argparse.ArgumentParser(description="Write the poems of rondels/ and rondels-validation/.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--poems", type=int, default=TRAINING_POEMS, help="poems of each mood in the training set")
    options = parser.parse_args()
    for name, text in build_files(options.random_seed, training=options.poems).items():
        path = options.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
