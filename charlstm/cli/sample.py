"""`charlstm sample`: continue a text with a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

from charlstm.api import language_model as api
from charlstm.base.inputs import Input, as_inputs
from charlstm.cli.commands import (
    MAIN_OPTIONS,
    EscapedText,
    FilePath,
    GroupedCommand,
    WrongUsage,
    check_encoding,
    check_files,
    field_option,
    model_option,
    option_of,
    output_file_option,
    unknown_option,
)
from charlstm.cli.console import print_message, skip_unknown, terminal_width
from charlstm.cli.output import write_message
from charlstm.cli.settings import GROUP_OF, DisplayConfig, SessionSettings, long_name, split_by_group
from charlstm.cli.streams import deliver, is_piped, standard_input
from charlstm.cli.texts import TextOutput, format_json, format_text, text_writer, write_json
from charlstm.render.text_writer import COLOURS
from charlstm.sampling.decoder import MAX_ROWS
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sample
from charlstm.text.decoding import read_text
from charlstm.text.sources import Sources

if TYPE_CHECKING:
    from charlstm.inspection.novelty import Novelty

DEFAULTS = SamplingConfig()
BEAM_RULES = {"forbid", "only"}  # the sampling rules that apply to beam search
NOT_WITH_BEAM = {name for name, group in GROUP_OF.items() if group == "sampling"} - BEAM_RULES | {
    "new_only",
    "colour",
    "alternatives",
}
NOT_WITH_INTERACTIVE = {"shape", "output", "force", "samples", "new_only", "beam", "corpora"}
NO_TEXT = {".json", ".csv", ".npz", ".html"}
NOT_WITH_JSON = {"colour", "alternatives"}
EXAMPLES = (
    ('charlstm sample --prompt "Once upon a time" -n 200', "Continue a text with 200 characters."),
    (
        "charlstm sample --samples 20 --temperature 0.5 --format jsonl -o samples.jsonl",
        "Write twenty new texts to a file as JSON objects, one per line.",
    ),
    ("charlstm sample --interactive", "Write a text in turns with the model."),
)
main_option = option_of(MAIN_OPTIONS)
input_option = option_of("Input")
sampling_option = option_of("Sampling")
stopping_option = option_of("Stopping")
output_option = option_of("Output")


@click.command("sample", cls=GroupedCommand, examples=EXAMPLES)
@main_option(
    "--seed",
    "--prompt",
    "seed",
    metavar="TEXT",
    show_default="piped text, or a new text",
    help="Text to continue; - reads it from standard input.",
)
@main_option(
    "-n",
    "--length",
    "--max-length",
    "length",
    type=click.IntRange(min=0),
    metavar="N",
    show_default="auto",
    help=f"Maximum number of new characters. Auto: {api.LENGTH}; {api.MOST_OF_A_DOCUMENT:,} for a model of documents,"
    " which ends a text itself; none with --lines.",
)
@main_option(
    "--temperature",
    type=click.FloatRange(min=0),
    metavar="T",
    default=DEFAULTS.temperature,
    help="Divide the logits by T: below 1 favours likely characters, above 1 unlikely ones; 0 is greedy decoding.",
)
@main_option("--samples", type=click.IntRange(1, MAX_ROWS), metavar="N", default=1, help="Number of samples.")
@main_option(
    "--stop",
    type=EscapedText(),
    metavar="TEXT",
    multiple=True,
    help="Stop after this text, in which \\n is a newline, \\t a tab and \\\\ a backslash; can be given several times.",
)
@model_option(MAIN_OPTIONS, metavar="FILE", help="Model file.")
@input_option("--seed-file", type=FilePath(), metavar="FILE", help="Read the text to continue from FILE.")
@input_option("--encoding", default="utf-8", callback=check_encoding, help="Text encoding of files and standard input.")
@unknown_option("Input")
@input_option(
    "--interactive",
    is_flag=True,
    help="Start a session: write a text in turns with the model; /help lists the commands.",
)
@sampling_option("--top-k", type=click.IntRange(min=1), metavar="K", help="Sample from the K most likely characters.")
@sampling_option(
    "--top-p",
    type=click.FloatRange(min=0, max=1, min_open=True),
    metavar="P",
    default=DEFAULTS.top_p,
    help="Nucleus (top-p) sampling: sample from the smallest set of characters whose probabilities sum to at least P.",
)
@sampling_option(
    "--min-p",
    type=click.FloatRange(min=0, max=1),
    metavar="P",
    default=DEFAULTS.min_p,
    help="Sample only characters whose probability is at least P times the highest one.",
)
@sampling_option(
    "--repeat-penalty",
    type=click.FloatRange(min=1),
    metavar="X",
    default=DEFAULTS.repeat_penalty,
    help="Raise the probability of each recent character to the power X; 1: off.",
)
@sampling_option(
    "--repeat-window",
    type=click.IntRange(min=1),
    metavar="N",
    default=DEFAULTS.repeat_window,
    help="Number of previous characters that count as recent.",
)
@sampling_option(
    "--forbid", metavar="CHARACTERS", default="", show_default=False, help="Never sample these characters."
)
@sampling_option("--only", metavar="CHARACTERS", help="Sample only these characters.")
@sampling_option(
    "--random-seed",
    type=click.IntRange(min=0),
    metavar="N",
    default=DEFAULTS.random_seed,
    help="Seed of the random numbers.",
)
@sampling_option("--new-only", is_flag=True, help="Omit documents that occur in the corpus.")
@sampling_option(
    "--beam",
    type=click.IntRange(1, MAX_ROWS),
    metavar="N",
    help="Do not sample: find likely texts by beam search with a beam of N texts.",
)
@stopping_option("--lines", type=click.IntRange(min=1), metavar="N", help="Stop after N newlines.")
@stopping_option("--until-sentence", "sentence", is_flag=True, help="Stop at the end of the first sentence.")
@stopping_option("--hide-stop", is_flag=True, help="Omit the text of --stop from the output.")
@output_file_option("Output", metavar="FILE", help="Write to FILE.")
@output_option(
    "--format",
    "shape",
    type=click.Choice(("text", "jsonl")),
    show_default="auto",
    help="Write text, or one JSON object per sample with its seed, text, bits per character, and reason to stop. Auto:"
    " jsonl if the name of the output ends with .jsonl, otherwise text.",
)
@output_option("--hide-seed", is_flag=True, help="Write only the new characters.")
@output_option(
    "--colour",
    type=click.Choice(COLOURS),
    help="On a terminal, colour each character by its surprise or by the entropy of the prediction.",
)
@output_option(
    "--alternatives",
    type=click.IntRange(min=1),
    metavar="N",
    help="Under each line, print the N most likely characters that were not sampled.",
)
@output_option(
    "--novelty",
    "corpora",
    metavar="CORPUS",
    multiple=True,
    type=FilePath(),
    help="Report which parts of the samples occur in this text file or folder; can be given several times.",
)
@field_option("Output", help="Compare with this field of the tables (.csv, .tsv, .jsonl) that --novelty names.")
def command(
    model: Path,
    seed: str | None,
    seed_file: Path | None,
    encoding: str,
    interactive: bool,
    samples: int,
    new_only: bool,
    beam: int | None,
    output: Path | None,
    force: bool,
    shape: str | None,
    corpora: tuple[Path, ...],
    field: str | None,
    **settings: Any,
) -> None:
    """Generate text that continues a seed."""
    shape = shape or choose_format(output)
    check_options(seed, interactive, samples, beam, shape)
    if "" in settings["stop"]:
        raise WrongUsage("the text of --stop is empty; give one character or more.")
    output = check_files((model, seed_file, *corpora), output, force)
    compared = as_inputs(corpora)
    check_corpora(compared, encoding, field)
    groups = split_by_group(settings)
    sampling, stopping, display = groups["sampling"], groups["stopping"], DisplayConfig(**groups["display"])
    SamplingConfig(**sampling)  # a wrong value is an error before the model is read
    language_model = api.load(model)
    if interactive:
        from charlstm.cli.interactive import run

        session = language_model.session(**stopping, **sampling)
        given = "" if seed is None and seed_file is None else read_seed(seed, seed_file, encoding)
        run(session, SessionSettings(session, display, command.params), given, encoding, model.name)
        return
    seed = skip_unknown(language_model.model, read_seed(seed, seed_file, encoding), display.unknown)
    documents = language_model.model.documents
    shown = "" if display.hide_seed else documents.format(seed)
    compare = partial(find_novelty, language_model, compared, encoding, field)

    def write(file: TextIO) -> list[Sample]:
        if beam is not None:
            rules = {name: sampling[name] for name in BEAM_RULES}
            results = language_model.beam(seed, beam, count=samples, **stopping, **rules)
            if shape == "text":
                file.write(format_text(results, shown, documents, file.isatty()))
            else:
                file.write(format_json(results, compare(results), file.isatty()))
            return results
        sampler = language_model.sampler(seed, count=samples, new_only=new_only, **stopping, **sampling)
        if shape == "jsonl":
            return write_json(file, sampler, compare)
        writers = [text_writer(language_model.model, display, output is not None) for _ in range(samples)]
        with TextOutput(file, writers, shown, documents) as text_output:
            return sampler.collect(text_output.add)

    written = deliver(output, write)
    novelty = compare(written) if shape == "text" else None
    if novelty is not None:
        from charlstm.render import terminal

        write_message("\n" + terminal.render(novelty.view(), terminal_width(), 0), end="")


def choose_format(output: Path | None) -> str:
    """Return the format that belongs to the name of the output: text for all names but those of data."""
    suffix = "" if output is None else output.suffix.lower()
    if suffix in NO_TEXT:
        raise WrongUsage(f"no format belongs to the name {output}; end it with .txt or .jsonl, or choose a --format.")
    return "jsonl" if suffix == ".jsonl" else "text"


def check_options(seed: str | None, interactive: bool, samples: int, beam: int | None, shape: str) -> None:
    """Refuse options that cannot be used together."""
    if interactive:
        refuse(NOT_WITH_INTERACTIVE, "--interactive")
        if seed == "-":
            raise WrongUsage("--seed - cannot be used with --interactive; remove one of them.")
    if beam is not None:
        refuse(NOT_WITH_BEAM, "--beam")
        if samples > beam:
            raise WrongUsage(f"--samples is {samples}; with --beam {beam} it must be a whole number, 1 to {beam}.")
    if shape == "jsonl":
        refuse(NOT_WITH_JSON, "--format jsonl")


def refuse(names: Collection[str], other: str) -> None:
    """Raise an error if an option is given whose parameter is among `names`: it cannot be used with another one."""
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if given and option.name in names:
            raise WrongUsage(f"{long_name(option)} cannot be used with {other}; remove one of them.")


def read_seed(seed: str | None, file: Path | None, encoding: str) -> str:
    """Return the text to continue from wherever it is given, without the newline at the end of a file or pipe."""
    if seed is not None and file is not None:
        raise WrongUsage("--seed and --seed-file are both given; give one of them.")
    if file is not None:
        return read_text(file, encoding).removesuffix("\n")
    if seed == "-" or (seed is None and is_piped()):
        return "".join(standard_input(encoding)).removesuffix("\n")
    return seed or ""


def check_corpora(corpora: Sequence[Input], encoding: str, field: str | None) -> None:
    """Read the start of corpora, so that one that is no text is an error before anything is sampled."""
    sources = Sources(corpora, encoding, field)
    for remark in sources.remarks.list():
        print_message(remark)
    sources.check()


def find_novelty(
    model: api.LanguageModel, corpora: Sequence[Input], encoding: str, field: str | None, samples: Sequence[Sample]
) -> Novelty | None:
    """Compare samples with corpora, with a clock on a terminal; return None if there are no corpora."""
    if not corpora:
        return None
    from charlstm.cli.status import show_elapsed

    with show_elapsed("comparing"):
        return model.novelty(samples, corpora, encoding, field)
