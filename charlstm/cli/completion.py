"""Completion of the command line by bash, for values with spaces and for options with an equals sign."""

from __future__ import annotations

import os
import re
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class

PLAIN = re.compile(r"([^\w@%+=:,./~-])")  # every other character means something to the shell


@add_completion_class
class BashCompletion(BashComplete):
    """Completes values that have spaces, and values that follow an option and an equals sign."""

    source_template = BashComplete.source_template.replace("read type", "read -r type").replace(
        "($value)", '("$value")'
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is completed, and that word; bash makes "=" a word of its own."""
        words, incomplete = super().get_completion_args()
        is_after_option = bool(words) and words[-1].startswith("--")
        kept = [word for n, word in enumerate(words) if not (word == "=" and n and words[n - 1].startswith("--"))]
        return kept, "" if incomplete == "=" and is_after_option else incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return a completion for the shell; a quote that the user has begun keeps its value together."""
        words = os.environ["COMP_WORDS"].split("\n")
        place = int(os.environ["COMP_CWORD"])
        is_quoted = place < len(words) and words[place].startswith(("'", '"'))
        value = item.value if is_quoted or item.type != "plain" else PLAIN.sub(r"\\\1", str(item.value))
        return f"{item.type},{value}"
