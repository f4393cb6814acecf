"""The settings of `charlstm sample`: what each option sets, on the command line and during a session.

The parameter name of an option is the name of the field that it sets. A new sampling or stopping rule therefore needs a
field and an option, and nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import click

from charlstm.base.config import AdaptConfig
from charlstm.cli.group import WrongUsage
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.stopping import StoppingRules

if TYPE_CHECKING:
    from charlstm.sampling.session import Session

ON, OFF = "on", "off"


@dataclass(frozen=True)
class DisplayConfig:
    """How text is read and shown: the options of the same names."""

    unknown: str = "error"
    hide_seed: bool = False
    colour: str | None = None
    alternatives: int | None = None


GROUPS: Mapping[str, type[Any]] = {
    "sampling": SamplingConfig,
    "stopping": StoppingRules,
    "learning": AdaptConfig,
    "display": DisplayConfig,
}
GROUP_OF = {field.name: group for group, kind in GROUPS.items() for field in fields(kind)}


def split_by_group(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values of parameters by group: group → parameter → value."""
    return {group: {name: value for name, value in values.items() if GROUP_OF[name] == group} for group in GROUPS}


def long_name(option: click.Parameter) -> str:
    """Return the first long spelling of an option: "--length" for -n, --length."""
    return next(spelling for spelling in option.opts if spelling.startswith("--"))


class SessionSettings:
    """The settings of one session, by the names of their options.

    Parameters
    ----------
    session
        Its `sampling`, `stopping` and `learning` are read and set.
    display
        How the text is shown at first.
    parameters
        Parameters of `charlstm sample`; their options check and explain the values.

    Attributes
    ----------
    display : DisplayConfig
        How the text is shown now.
    options : dict
        Name of a setting, such as "top-k" → its option.
    """

    def __init__(self, session: Session, display: DisplayConfig, parameters: Iterable[click.Parameter]) -> None:
        self.display = display
        self._session = session
        options = {option.name: option for option in parameters if isinstance(option, click.Option)}
        self.options = {
            long_name(options[field]).removeprefix("--"): options[field] for field in GROUP_OF if field in options
        }

    def show(self, name: str) -> str:
        """Return a setting with its value, as a user types it."""
        owner, group, field = self._find(name)
        value = getattr(getattr(owner, group), field)
        if value is True:
            value = ON
        elif value is None or value is False or value in ("", ()):
            value = OFF
        elif isinstance(value, tuple):
            value = ", ".join(f"{quote(one[0])}={one[1]:g}" if isinstance(one, tuple) else repr(one) for one in value)
        return f"/{name} {value}"

    def change(self, name: str, word: str) -> None:
        """Set a setting to the value that a user typed.

        Raises
        ------
        click.BadParameter, WrongUsage, ConfigError
            If the value is not allowed.
        """
        owner, group, field = self._find(name)
        option, config = self.options[name], getattr(owner, group)
        default = next(each.default for each in fields(config) if each.name == field)
        value = default if word == OFF and default in (None, "", ()) else parse(name, option, word)
        if option.multiple and value:
            value = (*getattr(config, field), value)
        if field == "random_seed":
            self._session.reseed(value)
            return
        changed = replace(config, **{field: value})
        if isinstance(changed, StoppingRules) and not changed.can_stop:
            raise WrongUsage("no rule would stop a continuation any more; set /length or /lines first.")
        setattr(owner, group, changed)

    def _find(self, name: str) -> tuple[Any, str, str]:
        """Return the object that has the group of a setting, the group, and the field."""
        field = self.options[name].name or ""
        group = GROUP_OF[field]
        return self if group == "display" else self._session, group, field


def quote(text: str) -> str:
    """Return a character in quotes; a word as it is."""
    return repr(text) if len(text) == 1 else text


def parse(name: str, option: click.Option, word: str) -> Any:
    """Return the value that an option gives to a word.

    Raises
    ------
    click.BadParameter
        If the option does not allow it.
    """
    kind = click.Choice((ON, OFF)) if option.is_flag else option.type
    try:
        value = kind(word, option, click.get_current_context())
        return value == ON if option.is_flag else value
    except click.BadParameter as error:
        error.param_hint = f"/{name}"
        raise
