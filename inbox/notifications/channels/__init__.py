"""The ways by which a notice can leave: one module each, with `send(notification)`."""


class TemporaryFailure(Exception):
    """Not now; try again later."""


class PermanentFailure(Exception):
    """Never to this address by this channel."""
