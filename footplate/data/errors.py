"""What can be wrong with a data set, and with the request to read it."""


class DataError(Exception):
    """The message names what is at fault and what to do."""


class CorruptData(DataError):  # noqa: N818 (what the data is)
    """A shard is not what its index says: cut short, changed, damaged, or gone."""
