"""Small data sets, and readers of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from footplate import data
from footplate.data.blocks import Sample
from footplate.data.cache import Cache
from footplate.data.layout import Index


def samples(count: int, size: int = 1000) -> Iterator[dict[str, bytes | str]]:
    for number in range(count):
        yield {"__key__": f"s{number:05d}", "bin": number.to_bytes(4, "big") * (size // 4), "cls": str(number % 10)}


def written(uri: str | Path, count: int = 200, *, size: int = 1000) -> Index:
    """About 5 samples a block, 5 blocks a shard."""
    return data.write(uri, samples(count, size), shard_size=25 * (size + 1548), block_size=5 * (size + 1548))


def number(sample: Sample) -> int:
    """Of a sample, once its content is found to be its own."""
    content, label = sample["bin"], sample["cls"]
    assert isinstance(content, bytes)
    assert isinstance(label, bytes)
    found = int.from_bytes(content[:4], "big")
    assert content == content[:4] * (len(content) // 4)
    assert (sample["__key__"], label) == (f"s{found:05d}", str(found % 10).encode())
    return found


def used(directory: Path) -> int:
    """Bytes of blocks in a cache; between changes of what is in it, as a look at one file after the other is not."""
    with Cache(directory, 1)._locked():
        return sum(path.stat().st_size for path in directory.glob("*-*"))


def reader(uri: str | Path, **options: Any) -> data.Reader:
    return data.Reader(uri, **{"batch_size": 4, "window": 4, "decode": number, "seed": 7, **options})
