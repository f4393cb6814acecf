"""The errors that a user can act on: each is one sentence. And how they show values and suggest names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

ALIKE = 0.7
LONGEST_VALUE = 60
LONGEST_TEXT = 200
LARGEST_SHOWN = 2**63 - 1
# Around the name of a parameter in a message: code points that no text has.
MARKS = ("\ufdd0", "\ufdd1")
NAMED = re.compile(f"{MARKS[0]}([A-Za-z0-9_]+){MARKS[1]}")

Spell = Callable[[str, Any], str]


def named(parameter: str) -> str:
    """Return the name of a parameter for the message of an error: each place spells it as its user types it.

    Examples
    --------
    >>> error = CharlstmError(f"{named('top_k')} is 0")
    >>> str(error), error.text("command", lambda name, value: "--" + name.replace("_", "-"))
    ('top_k is 0', '--top-k is 0')
    """
    return parameter.join(MARKS) if parameter.isidentifier() else parameter


def spell_names(message: str, spell: Spell | None = None) -> str:
    """Return a message with every marked name as `spell` writes it, given the name and None; None: the name itself."""
    return NAMED.sub(lambda found: spell(found[1], None) if spell else found[1], message)


class CharlstmError(Exception):
    """An error that the caller can act on: the message names what was given, where, what is allowed, and what to do.

    Parameters
    ----------
    message
        What was given, where, and what is allowed; with `named` around the names of parameters.
    python, command, session
        What to do in a Python program, on the command line, and at the prompt of a session, where that differs; the
        text of the error ends with the first of them.
    """

    def __init__(self, message: str = "", *, python: str = "", command: str = "", session: str = "") -> None:
        super().__init__(spell_names(f"{message}; {python}" if python else message))
        self._message = message
        self._advice = {"python": python, "command": command, "session": session or command}

    def text(self, place: str, spell: Spell | None = None) -> str:
        """Return the message for a place.

        Parameters
        ----------
        place
            "python", "command" or "session".
        spell
            Returns how the place writes a parameter, given its name and its value; the value is None where the message
            has only the name. None: as Python writes it.
        """
        advice = self._advice[place] or self._advice["python"]
        return spell_names(f"{self._message}; {advice}" if advice else self._message, spell)


class ConfigError(CharlstmError):
    """A setting is out of range, unknown, or contradicts another one."""


class CorpusError(CharlstmError):
    """A text cannot be read, or is too short to train on."""


class UnknownCharacterError(CharlstmError):
    """A text has characters that the model does not know."""


class CheckpointError(CharlstmError):
    """A model file or a session file is missing, damaged, of another program, or of a later version."""


class SessionError(CharlstmError):
    """A session cannot do what was asked: nothing to undo, no such suggestion, or a file that must not be replaced."""


class TrainingError(CharlstmError):
    """Training cannot continue: it diverged, or a process ended."""


for _error in (CharlstmError, *CharlstmError.__subclasses__()):
    _error.__module__ = "charlstm"  # where users import errors from, so tracebacks name them so


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" with the known names that are most similar to a mistyped one; "" if none is similar.

    Parameters
    ----------
    word
        What was given.
    known
        The names that exist.
    """
    from difflib import SequenceMatcher  # only an error needs it

    bare = word.strip("-")
    likeness = {
        name: 1.0 if bare and name.strip("-").startswith(bare) else SequenceMatcher(None, name.strip("-"), bare).ratio()
        for name in known
    }
    best = max(likeness.values(), default=0.0)
    similar = [name for name, ratio in likeness.items() if ratio >= max(ALIKE, best - 0.1)]
    return f"; did you mean {' or '.join(similar[:3])}?" if similar else ""


def show_value(value: Any) -> str:
    """Return a value as an error shows it, shortened where it is long."""
    if isinstance(value, int) and abs(value) > LARGEST_SHOWN:
        return f"a number of {len(str(abs(value))) if abs(value) < 10**4000 else 'thousands of'} digits"
    shown = repr(value.item() if hasattr(value, "item") and getattr(value, "size", 2) == 1 else value)
    return shown if len(shown) <= LONGEST_VALUE else f"{shown[:LONGEST_VALUE]}…"


def shorten(text: object, most: int = LONGEST_TEXT) -> str:
    """Return a text for a message; of a long one, the start and the end."""
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[: most // 2]}…{whole[-(most // 2) :]}"
