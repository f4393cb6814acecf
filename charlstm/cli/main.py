"""The command `charlstm`: a group that imports a subcommand only when it is called."""

from __future__ import annotations

import os

import click

import charlstm
from charlstm.cli.group import LazyGroup

# BLAS threads wait for each other: on a busy machine a training step can take fifty times as long with two threads.
# NumPy reads these variables when it is first imported, which is later. A value that the user has set is kept.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")

COMMANDS = {
    "train": ("charlstm.cli.train", "Train a model on the text in CORPUS..."),
    "sample": ("charlstm.cli.sample", "Generate text that continues a seed."),
    "inspect": ("charlstm.cli.inspect", "Show what a model does at every character."),
}


def install_completion(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Install the completion of a shell if the option is given."""
    if value is not None:
        from charlstm.cli.shells import install  # no other command needs it

        install(ctx, parameter, value)


@click.group(cls=LazyGroup, modules=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(charlstm.__version__, prog_name="charlstm")
@click.option(
    "--install-completion",
    metavar="[SHELL]",
    is_flag=False,
    flag_value="",
    is_eager=True,
    expose_value=False,
    callback=install_completion,
    help="Let bash, zsh or fish complete command lines with the tab key, and exit. Without a name: your shell.",
)
def main() -> None:
    """Train a character-level LSTM on a text, generate text with it, and inspect its gates.

    \b
    charlstm train corpus.txt                 train on a text, write charlstm.npz
    charlstm sample --seed "mady said hi to"  continue a text
    charlstm inspect "mady said hi to"        show every gate at every character
    """  # noqa: D301 - click takes the \b character for "keep these lines as they are"
