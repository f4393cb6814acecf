"""Check poems as `make_rondels.py` writes them: how many end with their title, are well formed and keep their rhyme.

The grammar below is written again, and shares nothing with the program that writes the poems.

charlstm sample -m rondels.npz --samples 1000 -o poems.jsonl
python data/check_rondels.py poems.jsonl
python data/check_rondels.py data/rondels/*.txt
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ADJECTIVES = (
    "amber|brave|calm|crimson|dusty|early|empty|faded|frozen|golden|green|hidden|humble|icy|jolly|kind|little|lonely"
    "|mighty|misty|narrow|noble|old|pale|quiet|rusty|silver|simple|tiny|velvet|warm|white"
)
NOUNS = (
    "anchor|apple|bell|candle|crown|door|elm|feather|flute|garden|harp|house|island|jewel|kettle|lantern|letter|mirror"
    "|nest|orchard|pearl|quill|river|rose|star|stone|tower|violin"
)
TITLE = re.compile(f"The ({ADJECTIVES.title()}) ({NOUNS.title()})")
PLACES = "hill|wood|town|mill|brook|field|gate"
RHYMES = "in vain|again|in rain|all day|and play|in May|at noon|in June|too soon|with me|at sea|so free"
VERBS = "sing|walk|dream|hide|laugh|rest"
FIRST_ECHO = re.compile(f"so ({ADJECTIVES}) the ({NOUNS})")
ECHO = re.compile(f"(?:yet ({ADJECTIVES})|the ({NOUNS}) by) the ({PLACES})")
FIRST_RHYME = re.compile(f"now ({VERBS}) ({RHYMES})")
RHYME = re.compile(f"(we|they|you) ({VERBS}) ({RHYMES})")
MOOD_OF = {
    **dict.fromkeys(("vain", "again", "rain"), "gloomy"),
    **dict.fromkeys(("day", "play", "May"), "merry"),
    **dict.fromkeys(("noon", "June", "soon"), "tender"),
    **dict.fromkeys(("me", "sea", "free"), "wild"),
}
MOODS = frozenset(MOOD_OF.values())


class Verdict(NamedTuple):
    """What holds for a poem.

    Attributes
    ----------
    ends_with_title
        The last line repeats the first.
    well_formed
        A title, then 4 to 30 lines, an even number. The last has the form of a title. The others alternate between an
        echo of the title and a line with a rhyme, and the first of each have a form of their own.
    keeps_rhyme
        There is a line that rhymes, and all of them rhyme as the label says, or alike if there is no label.
    title
        The first line.
    """

    ends_with_title: bool
    well_formed: bool
    keeps_rhyme: bool
    title: str


def words_of(line: str) -> set[str]:
    """Return the words of a line that can stand in a title, in small letters."""
    return set(re.findall(rf"\b(?:{ADJECTIVES}|{NOUNS})\b", line.lower()))


def matches(lines: list[str], first: re.Pattern[str], others: re.Pattern[str]) -> bool:
    """Return whether the first of some lines matches one pattern, and all others another."""
    return all((others if k else first).fullmatch(line) for k, line in enumerate(lines))


def check_poem(poem: str, label: str | None = None) -> Verdict:
    """Return what holds for a poem, of a mood if its label is given."""
    title, *lines = poem.split("\n")
    echoes, rhyming = lines[0:-1:2], lines[1:-1:2]
    well_formed = (
        len(lines) in range(4, 31, 2)
        and all(TITLE.fullmatch(line) for line in (title, lines[-1]))
        and matches(echoes, FIRST_ECHO, ECHO)
        and matches(rhyming, FIRST_RHYME, RHYME)
        and all(words_of(line) <= words_of(title) for line in echoes)
    )
    moods = {MOOD_OF.get(line.split(" ")[-1]) for line in rhyming}
    return Verdict(
        bool(lines) and lines[-1] == title,
        well_formed,
        len(moods) == 1 and None not in moods and label in (None, *moods),
        title,
    )


def read_poems(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the poems of a file, each with its label or None.

    Samples as JSON, one per line, are poems of `seed` and `text`, and may have a `label`. In any other file blank lines
    separate poems, and a file that has the name of a mood has its poems.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        for line in text.splitlines():
            sample = json.loads(line)
            yield (sample.get("seed") or "") + sample["text"], sample.get("label")
    else:
        label = path.stem if path.stem in MOODS else None
        yield from ((poem, label) for poem in text.removesuffix("\n").split("\n\n"))


def count_verdicts(poems: Iterable[tuple[str, str | None]]) -> Counter[str]:
    """Return how many poems there are, and for how many each property holds."""
    counts: Counter[str] = Counter()
    for poem, label in poems:
        verdict = check_poem(poem, label)
        counts.update(("poems", *(name for name in Verdict._fields[:3] if getattr(verdict, name))))
        counts["labelled"] += label is not None
    return counts


def main() -> None:
    """Print the shares of the poems in some files, and the poems with a fault if asked."""
    parser = argparse.ArgumentParser(description="Check poems as make_rondels.py writes them.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--titles", type=Path, metavar="FILE", help="count the poems with a title in this file")
    parser.add_argument("--faults", action="store_true", help="print every poem with a fault")
    options = parser.parse_args()
    poems = [poem for path in options.files for poem in read_poems(path)]
    if not poems:
        sys.exit("the files hold no poem; give a file of poems separated by blank lines, or of samples as JSON")
    counts = count_verdicts(poems)
    print(f"{counts['poems']} poems, {counts['labelled']} with a label")
    if options.titles:
        titles = options.titles.read_text(encoding="utf-8").splitlines()
        print(f"{sum(check_poem(poem).title in titles for poem, _ in poems)} with a title of {options.titles}")
    for name in Verdict._fields[:3]:
        print(f"{name.replace('_', ' '):<16}{counts[name] / len(poems):7.1%}")
    if options.faults:
        for poem, label in poems:
            verdict = check_poem(poem, label)
            if not all(verdict[:3]):
                faults = [name.replace("_", " ") for name in Verdict._fields[:3] if not getattr(verdict, name)]
                print(f"\n[{label}] not: {', '.join(faults)}\n{poem}")


if __name__ == "__main__":
    main()
