"""The one kind of error that a person is told about: a single sentence, never a traceback."""


class CharlstmError(Exception):
    """Something that the caller can mend; the message says what was given, where, what is allowed, what to do."""


class ConfigError(CharlstmError):
    """A setting is out of range, unknown, or contradicts another one."""


class CorpusError(CharlstmError):
    """A text cannot be read or is too small to learn from."""


class UnknownCharacterError(CharlstmError):
    """A text holds characters that the model has never seen."""


class CheckpointError(CharlstmError):
    """A model file or a saved session is missing, damaged, not ours, or of a later version."""


class SessionError(CharlstmError):
    """A session cannot do what it was asked: there is nothing to undo, no such suggestion, or a file in the way."""


class TrainingError(CharlstmError):
    """Training cannot go on: the numbers are no longer finite."""
