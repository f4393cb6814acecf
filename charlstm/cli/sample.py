"""`charlstm sample`: text from a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

from charlstm import api
from charlstm.cli.console import (
    GroupedCommand,
    WrongUsage,
    colour_wanted,
    columns,
    known_encoding,
    known_only,
    model_option,
    option_of,
    unknown_option,
)
from charlstm.cli.streams import deliver, is_piped, standard_input
from charlstm.model.model import Model
from charlstm.render.passage import COLOURS, Passage, WithRunnersUp
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sample, Shown, Tally, Texts
from charlstm.text import corpus

if TYPE_CHECKING:
    from charlstm.cli.settings import Manner
    from charlstm.inspection.novelty import Novelty

DRAWING = SamplingConfig()
NOT_WITH_BEAM = {
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repeat_penalty",
    "repeat_window",
    "random_seed",
    "new_only",
    "colour",
    "alternatives",
}
text_option = option_of("Text")
end_option = option_of("End")
shape_option = option_of("Shape")
drawing_option = option_of("Drawing")


@click.command("sample", cls=GroupedCommand)
@model_option("Text", help="Model file to read.")
@text_option(
    "--seed",
    show_default="what is piped in, or begin as a text of the corpus would",
    help="The text to continue; -: read it from standard input.",
)
@text_option("--seed-file", type=click.Path(path_type=Path), help="Read the text to continue from a file.")
@text_option("--encoding", default="utf-8", callback=known_encoding, help="How files and standard input are encoded.")
@unknown_option("Text")
@text_option("--interactive", is_flag=True, help="Write in turns with the model; /help there tells how.")
@end_option(
    "-n",
    "--length",
    type=click.IntRange(min=0),
    show_default=f"{api.LENGTH}; any with --lines; to the end of the line for a model of lines",
    help="New characters, at most.",
)
@end_option("--stop", multiple=True, help="End after this text; may be given again.")
@end_option("--hide-stop", is_flag=True, help="Leave the stop text out.")
@end_option("--lines", type=click.IntRange(min=1), help="End after so many lines.")
@end_option("--until-sentence", is_flag=True, help="End with the sentence.")
@end_option(
    "--new-only", is_flag=True, help="Leave out lines that stand in the corpus, word for word; for a model of lines."
)
@shape_option("--samples", type=click.IntRange(min=1), default=1, help="Texts to write, drawn side by side.")
@shape_option(
    "--format",
    "shape",
    type=click.Choice(("text", "jsonl")),
    default="text",
    help="Text, or a JSON object a line: seed, text, bits_per_character, stop, and novelty with --novelty.",
)
@shape_option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
@shape_option("--hide-seed", is_flag=True, help="Write only what is new.")
@shape_option(
    "--colour",
    type=click.Choice(COLOURS),
    help="On a terminal: shade characters by how unlikely each was, or how unsure the network.",
)
@shape_option(
    "--alternatives",
    type=click.IntRange(min=1),
    help="Show under each line so many of the likeliest characters that were not drawn.",
)
@shape_option(
    "--novelty",
    "corpora",
    metavar="CORPUS",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Say how much of what was made stands in this file word for word; may be given again.",
)
@drawing_option(
    "--beam",
    type=click.IntRange(min=1),
    help="Draw nothing: search for the likeliest text, keeping the best so many at every character.",
)
@drawing_option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=DRAWING.temperature,
    help="Below 1 safer, above 1 wilder; 0 always takes the likeliest character.",
)
@drawing_option("--top-k", type=click.IntRange(min=1), help="Draw among the k likeliest characters only.")
@drawing_option(
    "--top-p",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=DRAWING.top_p,
    help="Draw among the likeliest that together have this probability.",
)
@drawing_option(
    "--min-p",
    type=click.FloatRange(min=0, max=1),
    default=DRAWING.min_p,
    help="Draw none with less than this share of the likeliest one's probability.",
)
@drawing_option(
    "--repeat-penalty",
    type=click.FloatRange(min=1),
    default=DRAWING.repeat_penalty,
    help="Raise the probability of recent characters to this power: unsure ones are repeated less.",
)
@drawing_option(
    "--repeat-window",
    type=click.IntRange(min=1),
    default=DRAWING.repeat_window,
    help="Characters back that count as recent.",
)
@drawing_option("--forbid", default="", help="Characters that are never drawn.")
@drawing_option("--only", help="The only characters that may be drawn.")
@drawing_option("--random-seed", type=click.IntRange(min=0), default=DRAWING.random_seed, help="Seed of the draws.")
def command(
    model: Path,
    seed: str | None,
    seed_file: Path | None,
    encoding: str,
    unknown: str,
    interactive: bool,
    length: int | None,
    stop: tuple[str, ...],
    hide_stop: bool,
    lines: int | None,
    until_sentence: bool,
    new_only: bool,
    samples: int,
    shape: str,
    output: Path | None,
    hide_seed: bool,
    colour: str | None,
    alternatives: int | None,
    corpora: tuple[Path, ...],
    beam: int | None,
    **rules: Any,
) -> None:
    """Write the seed and a continuation of it, or several, with an empty line between."""
    if "" in stop:
        raise WrongUsage("the text of --stop is empty; give one character or more, or leave it out.")
    if shape != "text" and (colour or alternatives):
        raise WrongUsage("--colour and --alternatives go with --format text; leave them out.")
    if beam is not None:
        check_beam()
    for path in corpora:  # what is no text is noticed before anything is made
        next(corpus.read_files((path,), encoding, {}), None)
    drawing = SamplingConfig(**rules)
    alone = shape != "text" or output or samples > 1 or new_only or seed == "-" or beam is not None or corpora
    if interactive and alone:
        raise WrongUsage(
            "--interactive does not go with --format jsonl, --output, --samples, --new-only, --beam, --novelty and"
            " --seed -; leave them out."
        )
    loaded = api.load(model)
    if interactive:
        from charlstm.cli.interactive import Conversation, converse
        from charlstm.cli.settings import Manner, Settings

        session = loaded.session(length, stop=stop, hide_stop=hide_stop, lines=lines, sentence=until_sentence, **rules)
        settings = Settings(
            session, Manner(unknown, hide_seed, colour, alternatives), click.get_current_context().command.params
        )
        conversation = Conversation(session, settings, partial(passage_of, loaded.model))
        seed = "" if seed is None and seed_file is None else seed_text(seed, seed_file, encoding)
        converse(conversation, seed, encoding, model.name)
        return
    ending = loaded.ending(length, stop, hide_stop, lines, until_sentence)
    seed = known_only(loaded.model, seed_text(seed, seed_file, encoding), unknown)
    shown, apart = "" if hide_seed else seed, not loaded.model.training.lines
    made: list[Sample] = []

    def compared() -> Novelty | None:
        if not corpora:
            return None
        from charlstm.cli.waiting import waiting

        with waiting("comparing"):
            return loaded.novelty(made, corpora, encoding)

    def write(file: TextIO) -> None:
        if beam is not None:
            made[:] = loaded.beam(seed, beam, ending, samples, forbid=drawing.forbid, only=drawing.only)
            file.write(objects(made, compared()) if shape == "jsonl" else whole_texts(made, shown, apart))
            return
        texts = loaded.texts(seed, drawing, ending, samples, new_only)
        if shape == "jsonl":
            write_objects(file, texts, made, compared)
            return
        shade = colour if output is None and colour_wanted() else None
        passages = [passage(loaded.model, alternatives, shade) for _ in texts.ends]
        write_texts(file, gathered(texts, made) if corpora else texts, passages, shown, apart)

    deliver(output, write)
    report = compared() if shape == "text" else None
    if report is not None:
        from charlstm.render import terminal

        click.echo("\n" + terminal.text(report.view(), columns(), 0), nl=False, err=True)


def check_beam() -> None:
    """Refuse options of drawing beside --beam."""
    context = click.get_current_context()
    for parameter in context.command.params:
        if (
            parameter.name in NOT_WITH_BEAM
            and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        ):
            raise WrongUsage(f"{parameter.opts[-1]} is for texts that are drawn, and --beam draws none; leave one out.")


def seed_text(seed: str | None, file: Path | None, encoding: str) -> str:
    """Return the text to continue, from wherever it is; the newline at the end of a file is no part of it."""
    if seed is not None and file is not None:
        raise WrongUsage("--seed and --seed-file are both given; give one of them.")
    if file is not None:
        return corpus.read_text(file, encoding).removesuffix("\n")
    if seed == "-" or (seed is None and is_piped()):
        return "".join(standard_input(encoding)).removesuffix("\n")
    return seed or ""


def passage_of(model: Model, manner: Manner) -> Passage:
    """Return how a text of a session is shown."""
    return passage(model, manner.alternatives, manner.colour if colour_wanted() else None)


def passage(model: Model, alternatives: int | None, colour: str | None) -> Passage:
    """Return how a text is shown."""
    if alternatives is None:
        return Passage(colour)
    return WithRunnersUp(alternatives, columns(), model.vocabulary.characters, colour)


def write_texts(file: TextIO, texts: Iterable[Shown], passages: list[Passage], seed: str, apart: bool) -> None:
    """Write texts one after another, the first as it is made: to a terminal character by character.

    What was made is written out whatever ends the making.
    """
    live = file.isatty()
    first, *later = passages
    collected = [[passage.seed(seed)] for passage in later]
    file.write(first.seed(seed))
    try:
        for made in texts:
            piece = passages[made.row].add(made)
            if made.row:
                collected[made.row - 1].append(piece)
                continue
            file.write(piece)
            if live:
                file.flush()
    finally:
        file.write(first.end())
        for passage, pieces in zip(later, collected, strict=True):
            file.write(("\n" if apart else "") + "".join(pieces) + passage.end())


def gathered(texts: Texts, made: list[Sample]) -> Iterator[Shown]:
    """Yield the characters of texts, and gather the texts."""
    tallies = [Tally(texts.seed) for _ in texts.ends]
    try:
        for shown in texts:
            tallies[shown.row].add(shown)
            yield shown
    finally:
        made[:] = [tally.sample(end.reason) for tally, end in zip(tallies, texts.ends, strict=True)]


def write_objects(file: TextIO, texts: Texts, made: list[Sample], compared: Callable[[], Novelty | None]) -> None:
    """Write texts as JSON, a line each, once all are made or the making was interrupted."""
    report = None
    try:
        for _ in gathered(texts, made):
            pass
        report = compared()
    finally:
        file.write(objects(made, report))


def objects(made: list[Sample], report: Novelty | None) -> str:
    """Return texts as JSON, a line each."""
    from charlstm.render.data import sample_json

    views = [None if report is None else report.of(number).view() for number in range(len(made))]
    return "".join(sample_json(sample, view) for sample, view in zip(made, views, strict=True))


def whole_texts(made: list[Sample], seed: str, apart: bool) -> str:
    """Return texts as they are shown when none of them is seen as it is made."""
    passages = [Passage() for _ in made]
    pieces = [passage.seed(seed + sample.text) + passage.end() for passage, sample in zip(passages, made, strict=True)]
    return ("\n" if apart else "").join(pieces)
