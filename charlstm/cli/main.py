"""The command `charlstm`: names its subcommands and loads only the one that is asked for."""

from __future__ import annotations

import os

import click

from charlstm import __version__
from charlstm.cli.console import LazyGroup

# Threads of a BLAS wait on each other: beside another busy process a step can take fifty times as long. They are read
# when NumPy is first imported, which is after this; who sets one of these variables keeps his choice.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")

COMMANDS = {
    "train": ("charlstm.cli.train", "Learn the text in CORPUS... and write a model file."),
    "sample": ("charlstm.cli.sample", "Write the seed and a continuation of it, or several."),
    "inspect": ("charlstm.cli.inspect", "Look into a model."),
}


@click.group(cls=LazyGroup, modules=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="charlstm")
def main() -> None:
    """Learn a text character by character, write more of it, and see into the network that does.

    \b
    charlstm train corpus.txt                 learn a text, write charlstm.npz
    charlstm sample --seed "mady said hi to"  continue a text
    charlstm inspect "mady said hi to"        see every gate at every character
    """  # noqa: D301 - click takes the \b character for "keep these lines as they are"
