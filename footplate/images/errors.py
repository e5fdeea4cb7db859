"""What can go wrong with images, for a person."""

# ruff: noqa: N818 (BuildFailed and so on are what happened)

from footplate.errors import BadUsage, FootplateError, MachineLacks, NotFound

__all__ = ["BuildFailed", "DeliveryFailed", "MachineLacks", "UnknownImage", "WrongTarget"]


class UnknownImage(NotFound):
    """An image that the catalogue does not have."""


class BuildFailed(FootplateError):
    """A builder ended with an error; the message carries the end of its output, ``last`` its last line."""

    def __init__(self, message: str, last: str | None = None) -> None:
        super().__init__(message)
        self.last = last or message


class WrongTarget(BadUsage):
    """A cluster that images cannot be loaded into."""


class DeliveryFailed(FootplateError):
    """An archive could not be loaded or pushed."""
