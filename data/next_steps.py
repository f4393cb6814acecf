"""Print what to type after `make demo`, for this system and this shell.

python data/next_steps.py
"""

from __future__ import annotations

import os
import platform

SHELLS = {"fish": "source .venv/bin/activate.fish", "csh": "source .venv/bin/activate.csh"}
ACTIVATE = "source .venv/bin/activate"
OPEN = {"Darwin": "open rooms.html", "Windows": "start rooms.html"}
STORY = "grace walks in to the room, henry also walks in to the room. grace said hi to"


def steps(system: str, shell: str) -> list[tuple[str, str]]:
    """Return the commands to type, each with what it does.

    Parameters
    ----------
    system
        Name of the system, as `platform.system` has it.
    shell
        Path of the shell; empty if it is not known.
    """
    if system == "Windows":
        activate = [(r".venv\Scripts\activate", r"makes charlstm a command; in PowerShell .venv\Scripts\Activate.ps1")]
    else:
        name = shell.rpartition("/")[2].removeprefix("t")  # tcsh is a csh
        activate = [(SHELLS.get(name, ACTIVATE), "makes charlstm a command of this terminal")]
    return [
        *activate,
        (f'charlstm sample -m rooms.npz --seed "{STORY}"', "continues a story of your own"),
        (OPEN.get(system, "xdg-open rooms.html"), "opens the page, as a double click does"),
    ]


def text(system: str, shell: str) -> str:
    """Return the whole message."""
    lines = [f"  {command}\n      {what}" for command, what in steps(system, shell)]
    own = "To train on a text of your own: charlstm train TEXT.txt, then charlstm sample"
    return "\n".join(["Next:", *lines, "", own])


if __name__ == "__main__":
    print(text(platform.system(), os.environ.get("SHELL", "")))
