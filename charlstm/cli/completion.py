"""Completion of the command line by bash, zsh and fish: what the shells run, and what it answers.

A shell script, which `charlstm --install-completion` installs, gives the words of the command line to charlstm in the
environment, and gets a line for each value that can follow: whether the value is whole, the value, and its help.
"""

from __future__ import annotations

import os
import re
from typing import Any, ClassVar

from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

PLAIN = re.compile(r"([^\w@%+=:,./~-])")  # every other character means something to the shell
WORD_BREAKS = "=:"  # bash takes these as words of their own
OPEN = "open"  # type of a value that goes on: a folder, or the first part of a value
LONGEST_HELP = 70

# Bash 3.2, the one of macOS, has no compopt: a whole value ends with a space instead, and none is added to any.
BASH = """\
%(complete_func)s() {
    local value
    COMPREPLY=()
    while IFS= read -r value; do
        [ -n "$value" ] && COMPREPLY[${#COMPREPLY[@]}]=$value
    done <<< "$(COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_WORD="${COMP_WORDS[COMP_CWORD]}" \\
        %(complete_var)s=bash_complete "$1" 2> /dev/null)"
}
complete -o nospace -o nosort -F %(complete_func)s %(prog_name)s 2> /dev/null ||
    complete -o nospace -F %(complete_func)s %(prog_name)s
"""
ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local -a whole whole_shown open
    local kind value help
    while IFS=$'\\t' read -r kind value help; do
        if [[ $kind == open ]]; then
            open+=("$value")
        elif [[ -n $value ]]; then
            whole+=("$value")
            whole_shown+=("$value${help:+  -- $help}")
        fi
    done <<< "$(COMP_WORDS="${(F)${(@Q)words[1,CURRENT-1]}}" COMP_WORD="${(Q)PREFIX}" \\
        %(complete_var)s=zsh_complete ${words[1]} 2> /dev/null)"
    compset -P '--*='
    if [[ ${whole_shown[*]} == *'  -- '* ]]; then
        compadd -l -V whole -d whole_shown -a whole
    else
        compadd -V whole -a whole
    fi
    compadd -V open -S '' -a open
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
    compdef %(complete_func)s %(prog_name)s
fi
"""
# Fish may load this twice, and would then ask twice.
FISH = """\
function %(complete_func)s
    set -lx COMP_WORDS (commandline -opc | string collect)
    set -lx COMP_WORD (commandline -ct | string collect)
    env %(complete_var)s=fish_complete (commandline -opc)[1] 2> /dev/null
end
complete --command %(prog_name)s --erase
complete --command %(prog_name)s --no-files --keep-order --arguments '(%(complete_func)s)'
"""


class WordsComplete(ShellComplete):
    """Completes the last of several words, which the shell gives in COMP_WORDS, one a line, and COMP_WORD."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words between the command and the one that is completed, and that word."""
        return os.environ["COMP_WORDS"].split("\n")[1:], os.environ.get("COMP_WORD", "")

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Return what can follow, without what no shell could insert."""
        found = super().get_completions(args, incomplete)
        return [item for item in found if not re.search(r"[\x00-\x1f\x7f]", str(item.value))]


def option_of(word: str) -> str:
    """Return the option with its equals sign that begins a word, or "".

    >>> option_of("--view=gra"), option_of("a=b")
    ('--view=', '')
    """
    return word[: word.index("=") + 1] if word.startswith("--") and "=" in word else ""


def first_sentence(text: str | None) -> str:
    """Return the first sentence of a help text, cut to the width of a line."""
    sentence = re.split(r"(?<=[^.])[.:;] ", (text or "").replace("\n", " "))[0].rstrip(".")
    return sentence if len(sentence) <= LONGEST_HELP else f"{sentence[: LONGEST_HELP - 1]}…"


@add_completion_class
class BashCompletion(WordsComplete):
    """Completes in bash, which shows no help, and takes what follows a colon or an equals sign as a word."""

    name: ClassVar[str] = "bash"
    source_template: ClassVar[str] = BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words between the command and the one that is completed, and that word."""
        *words, last = split_arg_string(os.environ["COMP_LINE"] + "x")  # x: also after a space there is a word
        return words[1:], last[:-1]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return a value as bash inserts it: without what stands before the last word of bash, and quoted."""
        _, incomplete = self.get_completion_args()
        raw = os.environ["COMP_WORD"].lstrip(WORD_BREAKS)
        is_quoted = raw.startswith(("'", '"'))
        replaced = (split_arg_string(raw) or [""])[0]
        value = option_of(incomplete) + str(item.value)
        if incomplete.endswith(replaced):
            value = value[len(incomplete) - len(replaced) :]
        if is_quoted:  # bash closes the quote
            return value
        return PLAIN.sub(r"\\\1", value) + " " * (item.type != OPEN)


@add_completion_class
class ZshCompletion(WordsComplete):
    """Completes in zsh."""

    name: ClassVar[str] = "zsh"
    source_template: ClassVar[str] = ZSH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return whether a value is whole, the value and its help."""
        return f"{OPEN if item.type == OPEN else 'whole'}\t{item.value}\t{first_sentence(item.help)}"


@add_completion_class
class FishCompletion(WordsComplete):
    """Completes in fish, which adds no space after a slash or a colon by itself."""

    name: ClassVar[str] = "fish"
    source_template: ClassVar[str] = FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words between the command and the one that is completed, and that word without quotes."""
        words, word = super().get_completion_args()
        return words, (split_arg_string(word) or [""])[0]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return the whole word with a value, and its help."""
        _, incomplete = self.get_completion_args()
        return f"{option_of(incomplete)}{item.value}\t{first_sentence(item.help)}"
