"""`charlstm sample`: continue a text with a model."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

from charlstm.api import language_model as api
from charlstm.base.config import AdaptConfig
from charlstm.base.inputs import Input, as_input, as_inputs
from charlstm.base.randomness import fresh_seed
from charlstm.cli.commands import (
    MAIN_OPTIONS,
    Bias,
    EscapedText,
    FilePath,
    GroupedCommand,
    Mix,
    adapt_rate_option,
    check_encoding,
    check_files,
    complete_with,
    field_option,
    option_of,
    output_file_option,
    unescape,
    unknown_option,
)
from charlstm.cli.console import has_colour, print_message, print_note, skip_unknown_in_all
from charlstm.cli.group import WrongUsage
from charlstm.cli.models import model_to_read, open_model
from charlstm.cli.output import terminal_width, write_message
from charlstm.cli.settings import GROUP_OF, DisplayConfig, SessionSettings, long_name, split_by_group
from charlstm.cli.status import show_elapsed
from charlstm.cli.streams import deliver, is_piped, standard_input
from charlstm.cli.texts import SampleOutput, TextOutput, text_writer
from charlstm.render.text_writer import COLOURS, draw_legend
from charlstm.sampling.decoder import MAX_ROWS
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sample
from charlstm.sampling.sets import FEWEST_ATTEMPTS, SCORES, Samples, SetRules
from charlstm.text.documents import LINE

if TYPE_CHECKING:
    from charlstm.inspection.novelty import Novelty

DEFAULTS = SamplingConfig()
BEAM_RULES = {"forbid", "only"}  # the sampling rules that apply to beam search
SAMPLING_RULES = {name for name, group in GROUP_OF.items() if group == "sampling"}
STOPPING_RULES = {name for name, group in GROUP_OF.items() if group == "stopping"}
LEARNING = {name for name, group in GROUP_OF.items() if group == "learning"}
SETS = {"distinct", "new_only", "max_copied", "against", "best", "of", "by", "attempts"}
OUTPUTS = {"shape", "output", "force", "corpora", "surprisals"}
EXCLUSIVE: Mapping[str, Set[str]] = {  # option → the options that cannot be used with it
    "interactive": OUTPUTS | SETS | {"samples", "beam", "seed_lines", "again"},
    "again": SAMPLING_RULES
    | STOPPING_RULES
    | LEARNING
    | SETS
    | {"samples", "beam", "seed", "seed_file", "seed_lines", "escapes"},
    "beam": (SAMPLING_RULES - BEAM_RULES) | SETS | {"colour", "alternatives", "surprisals", "seed_lines"},
    "seed_lines": {"seed", "seed_file", "adapt", "adapt_rate"},
    "best": {"samples"},
}
INCOMPLETE = 3  # exit code: the limit of attempts was reached
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
set_option = option_of("Sets of samples")
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
@model_to_read(MAIN_OPTIONS)
@input_option(
    "-e",
    "--escapes",
    is_flag=True,
    help="In the text of --seed and --seed-lines, \\n is a newline, \\t a tab and \\\\ a backslash.",
)
@input_option("--seed-file", type=FilePath(), metavar="FILE", help="Read the text to continue from FILE.")
@input_option(
    "--seed-lines",
    type=FilePath(),
    metavar="FILE",
    help="Continue each line of FILE; --samples is then the number for each line.",
)
@input_option(
    "--again",
    type=FilePath(),
    metavar="FILE",
    help="Write the texts again whose records are in FILE, which --format jsonl wrote with the same model.",
)
@input_option(
    "--label",
    metavar="NAME",
    show_default="as often as in the corpus",
    shell_complete=complete_with("list_labels"),
    help="Write documents with this label, for a model trained with --label.",
)
@input_option("--encoding", default="utf-8", callback=check_encoding, help="Text encoding of files and standard input.")
@unknown_option("Input")
@input_option(
    "--interactive",
    is_flag=True,
    help="Start a session: write a text in turns with the model; /help lists the commands.",
)
@input_option(
    "--adapt",
    is_flag=True,
    help="Learn the names and habits of the text to continue before continuing it; in a session, of what you type. The"
    " model file does not change.",
)
@adapt_rate_option("Input")
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
    "--forbid-word",
    type=EscapedText(),
    metavar="TEXT",
    multiple=True,
    help="Never write this text: the character that would complete it is not sampled. Escapes as in --stop; can be"
    " given several times.",
)
@sampling_option(
    "--bias",
    type=Bias(),
    metavar="C=B",
    multiple=True,
    help="Add B to the logit of character C, in natural-log units: e=-1.5 makes e rarer, e=1.5 likelier. Escapes as in"
    " --stop; can be given several times.",
)
@sampling_option(
    "--mix",
    type=Mix(),
    metavar="NAME=W",
    multiple=True,
    help="Sample from a mixture of the network with counts, at weight W, 0 to 1: counts=W are those that the model"
    " holds, cache=W those of the text to continue. All other rules apply to the mixture. Can be given several times.",
)
@sampling_option(
    "--random-seed",
    type=click.IntRange(min=0),
    metavar="N",
    show_default="a fresh one",
    help="Seed of the random numbers; the same seed repeats a text. A fresh one is printed on standard error.",
)
@sampling_option(
    "--beam",
    type=click.IntRange(1, MAX_ROWS),
    metavar="N",
    help="Do not sample: find likely texts by beam search with a beam of N texts.",
)
@set_option("--distinct", is_flag=True, help="No two samples are equal, nor equal apart from case and white space.")
@set_option("--new-only", is_flag=True, help="No sample is a document of the model's corpus.")
@set_option(
    "--max-copied",
    type=click.IntRange(min=1),
    metavar="N",
    help="No sample has a run of more than N characters that stands in a corpus of --against; the seed does not count.",
)
@set_option(
    "--against",
    metavar="CORPUS",
    multiple=True,
    type=FilePath(),
    help="Compare the samples with this text file; for --max-copied and --by novelty; can be given several times.",
)
@set_option(
    "--best",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write only the N best of the samples of --of, the best first.",
)
@set_option("--of", type=click.IntRange(min=1), metavar="M", help="Sample M texts, of which --best are written.")
@set_option(
    "--by",
    type=click.Choice(SCORES),
    default=SetRules.by,
    help="What --best goes by. likelihood: fewest bits per character, under the network without sampling rules."
    " surprisal: most bits per character. novelty: smallest longest run that stands in a corpus of --against, as a"
    " fraction of the text.",
)
@set_option(
    "--attempts",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="auto",
    help="Give up after N samples for each seed, and write those that were found. Auto: 100 for each text that is asked"
    f" for, at least {FEWEST_ATTEMPTS:,}.",
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
    help="Write text, or one JSON object per sample with its seed, text, bits per character, reason to stop, and all"
    " settings. Auto: jsonl if the name of the output ends with .jsonl, otherwise text.",
)
@output_option("--surprisals", is_flag=True, help="Write the bits of each character too, with --format jsonl.")
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
@field_option("Output", help="Compare with this field of the tables (.csv, .tsv, .jsonl) of --novelty and --against.")
def command(
    model: Path,
    label: str | None,
    seed: str | None,
    escapes: bool,
    seed_file: Path | None,
    seed_lines: Path | None,
    again: Path | None,
    encoding: str,
    interactive: bool,
    against: tuple[Path, ...],
    beam: int | None,
    output: Path | None,
    force: bool,
    shape: str | None,
    surprisals: bool,
    corpora: tuple[Path, ...],
    field: str | None,
    **settings: Any,
) -> None:
    """Generate text that continues a seed."""
    shape = shape or choose_format(output)
    set_rules = {each.name: settings.pop(each.name) for each in fields(SetRules)}
    rules = SetRules(**set_rules)
    check_options(seed, rules, beam, shape)
    seed = unescape(seed) if escapes and seed is not None else seed
    for name in ("stop", "forbid_word"):
        if "" in settings[name]:
            raise WrongUsage(f"the text of --{name.replace('_', '-')} is empty; give one character or more.")
    output = check_files((model, seed_file, seed_lines, again, *against, *corpora), output, force)
    compared, set_corpora = as_inputs(corpora), as_inputs(against)
    check_corpora([*compared, *set_corpora], encoding, field)
    groups = split_by_group(settings)
    sampling, stopping, display = groups["sampling"], groups["stopping"], DisplayConfig(**groups["display"])
    learning = AdaptConfig(**groups["learning"])
    is_fresh = sampling["random_seed"] is None
    if is_fresh:
        sampling["random_seed"] = fresh_seed()
    sampling_config = SamplingConfig(**sampling)  # a wrong value is an error before the model is read

    def announce() -> None:
        """Print the random seed if it is a fresh one."""
        if is_fresh:
            print_note(f"random seed {sampling['random_seed']}")

    language_model = open_model(model).with_label(label)
    it = language_model.model
    if interactive:
        from charlstm.cli.interactive import run

        if it.labels and label is None:
            [drawn] = it.draw_labels(sampling["random_seed"], [0]).tolist()
            language_model = language_model.with_label(it.labels[drawn - len(it.vocabulary)])
        session = language_model.session(**stopping, **sampling, **groups["learning"])
        given = "" if seed is None and seed_file is None else read_seed(seed, seed_file, encoding)
        announce()
        if language_model.model.label != label:
            print_note(f"label {language_model.model.label}; --label chooses another")
        run(session, SessionSettings(session, display, command.params), given, encoding, language_model.name)
        return
    compare = partial(find_novelty, language_model, compared, encoding, field)
    to_file = output is not None
    texts = SampleOutput(it, display, shape, to_file, surprisals, compare)
    if again is not None:
        seeds = [""]
    elif seed_lines is not None:
        seeds = read_seed_lines(seed_lines, encoding, escapes)
    else:
        seeds = [read_seed(seed, seed_file, encoding)]
    if not escapes and "\\" not in it.vocabulary and any("\\" in each for each in seeds):
        print_message("the model does not know the backslash; with -e, \\n in a seed is a newline and \\t a tab")
    seeds = skip_unknown_in_all(it, seeds, display.unknown)
    if it.documents.kind == LINE and (stopping["lines"] or 1) > 1:
        print_message("a document of this model is one line, which ends the text; --samples N writes N lines")
    if learning.adapt:
        if not seeds[0]:
            raise WrongUsage("--adapt learns from the text to continue, and there is none; give one with --seed.")
        with show_elapsed("learning from the seed"):
            language_model = learn(language_model, seeds[0], learning)
    if sampling_config.mixes_cache and not any(seeds):
        raise WrongUsage("--mix cache counts the text to continue, and there is none; give one with --seed.")

    def write(file: TextIO) -> Sequence[Sample]:
        if again is not None:
            from charlstm.sampling.record import read_records, repeat

            records = read_records(as_input(again), it)
            with show_elapsed("sampling again", len(records), "texts") as report:
                repeated = repeat(it, records, str(again), report=report)
            return texts.write(file, repeated)
        if beam is not None:
            kept = {name: sampling[name] for name in BEAM_RULES}
            with show_elapsed("beam search", len(seeds[0])) as report:
                found = language_model.beam(seeds[0], beam, count=rules.samples, report=report, **stopping, **kept)
            return texts.write(file, found)
        if rules.selects or seed_lines is not None:
            count = None if rules.best else rules.samples
            chosen = {name: value for name, value in set_rules.items() if name != "samples"}
            chosen |= {"against": set_corpora, "encoding": encoding, "field": field}
            sampler = language_model.set_sampler(seeds, count, **chosen, **stopping, **sampling)
            announce()
            return texts.collect(file, sampler, sampler.collect, rules.wanted * len(seeds))
        with show_elapsed("reading the seed", len(seeds[0])) as report:
            plain = language_model.sampler(seeds[0], count=rules.samples, report=report, **stopping, **sampling)
        announce()
        if shape == "jsonl":
            return texts.collect(file, plain, lambda report: plain.collect())
        writers = [text_writer(it, display, to_file) for _ in range(rules.samples)]
        shown = "" if display.hide_seed else it.documents.format(seeds[0])
        with TextOutput(file, writers, shown, it.documents) as text_output:
            return plain.collect(text_output.add)

    written = deliver(output, write)
    if display.colour is not None and not to_file and has_colour(sys.stderr):
        write_message(draw_legend(display.colour))
    cut = sum(sample.stop == "length" for sample in written) if it.documents else 0
    if cut:
        which = (
            "the document was"
            if len(written) == 1
            else f"{cut:,} of {len(written):,} documents {'was' if cut == 1 else 'were'}"
        )
        print_message(f"{which} cut off at the maximum length before the end; --max-length sets it")
    novelty = compare(written) if shape == "text" else None
    if novelty is not None:
        from charlstm.render import terminal

        write_message("\n" + terminal.render(novelty.view(), terminal_width(), 0), end="")
    if isinstance(written, Samples) and len(written) < written.wanted:
        print_message(f"{written.report}; --attempts sets the limit")
        raise click.exceptions.Exit(INCOMPLETE)


def learn(model: api.LanguageModel, seed: str, learning: AdaptConfig) -> api.LanguageModel:
    """Return the model that has learnt from a seed, whose samples have a record of the rate."""
    learnt = model.adapted(seed, learning.adapt_rate)
    return api.LanguageModel(replace(learnt.model, adapt_rate=learning.adapt_rate), learnt.name)


def choose_format(output: Path | None) -> str:
    """Return the format that belongs to the name of the output: text for all names but those of data."""
    suffix = "" if output is None else output.suffix.lower()
    if suffix in NO_TEXT:
        raise WrongUsage(f"no format belongs to the name {output}; end it with .txt or .jsonl, or choose a --format.")
    return "jsonl" if suffix == ".jsonl" else "text"


def check_options(seed: str | None, rules: SetRules, beam: int | None, shape: str) -> None:
    """Refuse options that cannot be used together, and options without an effect."""
    given = list_given()
    for name, others in EXCLUSIVE.items():
        if name in given:
            refuse(given, others, f"--{name.replace('_', '-')}")
    if "interactive" in given and seed == "-":
        raise WrongUsage("--seed - cannot be used with --interactive; remove one of them.")
    if beam is not None and rules.samples > beam:
        raise WrongUsage(f"--samples is {rules.samples}; with --beam {beam} it must be a whole number, 1 to {beam}.")
    if shape == "jsonl":
        refuse(given, NOT_WITH_JSON, "--format jsonl")
    for name, needed, has_effect in (
        ("surprisals", "--format jsonl", shape == "jsonl"),
        ("by", "--best and --of", rules.best is not None),
        ("against", "--max-copied or --by novelty", rules.needs_corpora),
        ("adapt_rate", "--adapt", not {"adapt", "interactive"}.isdisjoint(given)),
        ("attempts", "--distinct, --new-only or --max-copied", rules.rejects),
    ):
        if name in given and not has_effect:
            option = f"--{name.replace('_', '-')}"
            raise WrongUsage(f"{option} needs {needed}; add it, or leave out {option}.")
    if rules.needs_corpora and "against" not in given:
        raise WrongUsage(
            f"{'--max-copied' if rules.max_copied else '--by novelty'} needs a corpus; name it with --against."
        )


def list_given() -> dict[str, click.Parameter]:
    """Return the options that are given on the command line, by the names of their parameters."""
    context = click.get_current_context()
    return {
        option.name or "": option
        for option in context.command.params
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
    }


def refuse(given: Mapping[str, click.Parameter], names: Container[str], other: str) -> None:
    """Raise an error if an option is given whose parameter is among `names`: it cannot be used with another one."""
    for name, option in given.items():
        if name in names:
            raise WrongUsage(f"{long_name(option)} cannot be used with {other}; remove one of them.")


def read_seed_lines(file: Path, encoding: str, escapes: bool) -> list[str]:
    """Return the lines of a file, each a text to continue."""
    lines = read_seed_file(file, encoding).split("\n")
    return [unescape(line) if escapes else line for line in lines]


def read_seed(seed: str | None, file: Path | None, encoding: str) -> str:
    """Return the text to continue from wherever it is given, without the newline at the end of a file or pipe."""
    if seed is not None and file is not None:
        raise WrongUsage("--seed and --seed-file are both given; give one of them.")
    if file is not None:
        return read_seed_file(file, encoding)
    if seed == "-" or (seed is None and is_piped()):
        return "".join(standard_input(encoding)).removesuffix("\n")
    return seed or ""


def read_seed_file(file: Path, encoding: str) -> str:
    """Return the text of a file without the newline at its end."""
    from charlstm.text.decoding import read_text  # most samples read no text

    return read_text(file, encoding).removesuffix("\n")


def check_corpora(corpora: Sequence[Input], encoding: str, field: str | None) -> None:
    """Read the start of corpora, so that one that is no text is an error before anything is sampled."""
    if not corpora:
        return
    from charlstm.text.sources import Sources  # most samples read no text

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
    with show_elapsed("comparing"):
        return model.novelty(samples, corpora, encoding, field)
