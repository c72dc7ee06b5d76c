"""The one error that is nobody's failed test."""


class SetupError(Exception):
    """The emulation could not be prepared: no network, no package, no such file. Exit code 2."""
