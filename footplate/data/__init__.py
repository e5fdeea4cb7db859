"""Streams training data from object stores (``s3://``, ``gs://``) and local directories, in any number of processes.

    from footplate import data

    data.write("s3://team/images", samples)                     # once: shards with an index
    reader = data.Reader("s3://team/images", batch_size=32, seed=1)
    for epoch in range(reader.epoch, 10):
        for batch in reader:                                    # or: in reader.loader(num_workers=4), for PyTorch
            ...

A batch is this rank's part of a step. Which samples a step has depends on the seed, the epoch and the size of the step
alone, not on the number of ranks: with ``reader.state_dict()`` in the checkpoint and ``load_state_dict`` after a
restart, each sample of an epoch is read exactly once, whatever the number of ranks was before and is now.
"""

from importlib import import_module

_MODULES = {
    "Reader": "reader",
    "write": "writing",
    "index": "indexing",
    "DataError": "errors",
    "CorruptData": "errors",
}

__all__ = ["CorruptData", "DataError", "Reader", "index", "write"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"footplate.data.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
