"""The root of every error that samestream raises on purpose."""


class SamestreamError(Exception):
    """Base of all samestream errors; each subclass also inherits the fitting builtin."""


class DefinitionError(SamestreamError, ValueError):
    """A feature definition that cannot mean anything; raised while it is imported."""
