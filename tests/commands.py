"""`charlstm train` as a call."""

from typing import Any

from click.testing import CliRunner, Result

from charlstm.cli.main import main


def train(*arguments: object, **settings: Any) -> Result:
    """Run `charlstm train` in this process; no error may show as a traceback."""
    done = CliRunner().invoke(main, ["train", *map(str, arguments)], **settings)
    assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exc_info)
    assert "Traceback" not in done.output
    return done
