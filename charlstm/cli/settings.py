"""The settings of a session: options of `charlstm sample`, changed while it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import click

from charlstm.cli.console import WrongUsage
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.session import Session

ON, OFF = "on", "off"


@dataclass(frozen=True)
class Manner:
    """How what is typed is taken, and what is made is shown: the options of `charlstm sample` of the same names."""

    unknown: str = "error"
    hide_seed: bool = False
    colour: str | None = None
    alternatives: int | None = None


class Setting(NamedTuple):
    """Where an option's value stands: a field of the session's drawing or ending, or of the manner."""

    group: str
    field: str


SETTINGS = {
    **{field.name.replace("_", "-"): Setting("drawing", field.name) for field in fields(SamplingConfig)},
    "length": Setting("ending", "length"),
    "stop": Setting("ending", "stops"),
    "hide-stop": Setting("ending", "hide_stop"),
    "lines": Setting("ending", "lines"),
    "until-sentence": Setting("ending", "sentence"),
    **{field.name.replace("_", "-"): Setting("manner", field.name) for field in fields(Manner)},
}


class Settings:
    """The settings of one session, by the names of their options.

    Parameters
    ----------
    session
        Whose drawing and ending they are.
    manner
        How it is shown.
    options
        Options of `charlstm sample`, which check and explain the values.

    Attributes
    ----------
    manner : Manner
        How it is shown now.
    options : dict
        Name of a setting → its option.
    """

    def __init__(self, session: Session, manner: Manner, options: Iterable[click.Parameter]) -> None:
        self.manner = manner
        self._session = session
        named = {max(option.opts, key=len).removeprefix("--"): option for option in options}
        self.options: Mapping[str, click.Option] = {
            name: option for name in SETTINGS if isinstance(option := named.get(name), click.Option)
        }

    def shown(self, name: str) -> str:
        """Return a setting with its value, for a person."""
        value = getattr(getattr(self._owner(name), SETTINGS[name].group), SETTINGS[name].field)
        if value is True:
            value = ON
        elif value is None or value is False or value in ("", ()):
            value = OFF
        elif isinstance(value, tuple):
            value = ", ".join(map(repr, value))
        return f"/{name} {value}"

    def change(self, name: str, word: str) -> None:
        """Set a setting to what was typed.

        Raises
        ------
        click.BadParameter, WrongUsage, ConfigError
            If that is not allowed.
        """
        owner, (group, field), option = self._owner(name), SETTINGS[name], self.options[name]
        settings = getattr(owner, group)
        empty = next(it.default for it in fields(settings) if it.name == field)
        value = empty if word == OFF and empty in (None, "", ()) else converted(name, option, word)
        if option.multiple and value:
            value = (*getattr(settings, field), value)
        if name == "random-seed":
            self._session.reseed(value)
            return
        changed = replace(settings, **{field: value})
        if group == "ending" and not (changed.length is not None or changed.lines or changed.stops or changed.sentence):
            raise WrongUsage("nothing would end a text then; set /length or /lines first.")
        setattr(owner, group, changed)

    def _owner(self, name: str) -> Any:
        return self if SETTINGS[name].group == "manner" else self._session


def converted(name: str, option: click.Option, word: str) -> Any:
    """Return what an option makes of a word.

    Raises
    ------
    click.BadParameter
        If it is not allowed.
    """
    kind = click.Choice((ON, OFF)) if option.is_flag else option.type
    try:
        value = kind(word, option, click.get_current_context())
        return value == ON if option.is_flag else value
    except click.BadParameter as error:
        error.param_hint = f"/{name}"
        raise
