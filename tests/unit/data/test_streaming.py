"""Reading from an object store larger than the cache: its bound, its damage, and a store that is away for a while."""

import os
import threading
from pathlib import Path

import pytest

from footplate import data
from footplate.data import fetching, places
from footplate.data.layout import INDEX
from tests.unit.agent.s3_gateway import Gateway
from tests.unit.data.sets import number, reader, used, written

COUNT, SIZE = 600, 1000
LIMIT = 12 * 5 * (SIZE + 1548)
"""Of the cache: 12 blocks of 120."""


@pytest.fixture
def images(bucket: str) -> str:
    index = written(f"{bucket}/images", COUNT, size=SIZE)
    assert index.size > 8 * LIMIT
    return f"{bucket}/images"


def shard(gateway: Gateway, images: str, name: str) -> Path:
    return gateway.root / "buckets" / images.removeprefix("s3://") / name


class Watch:
    """The most bytes that a directory has had at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._over = threading.Event()
        self.most = 0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.002):
            self.most = max(self.most, sum(used(path) for path in self._directory.iterdir()))


def test_a_data_set_larger_than_the_cache(images: str, tmp_path: Path) -> None:
    with Watch(tmp_path) as watch:
        one = reader(images, cache=tmp_path, cache_limit=LIMIT)
        for _ in range(2):
            assert sorted(sample for batch in one for sample in batch) == list(range(COUNT))
    assert 0 < watch.most <= LIMIT


def test_ranks_of_a_node_share_a_cache_that_is_smaller_than_their_data(
    images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In lockstep, as training is: none of them may hold so much that another cannot go on."""
    monkeypatch.setenv("NPROC_PER_NODE", "2")
    ranks = [
        data.Reader(
            images, batch_size=4, window=3, seed=7, decode=number, rank=rank, world=2, cache=tmp_path, cache_limit=LIMIT
        )
        for rank in range(2)
    ]
    read: list[int] = []
    with Watch(tmp_path) as watch:
        for batches in zip(*ranks, strict=True):
            read += [sample for batch in batches for sample in batch]
    assert sorted(read) == list(range(COUNT))
    assert watch.most <= LIMIT


def test_each_block_is_fetched_once_an_epoch(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, int]] = []

    def read_range(self: places.Bucket, name: str, size: int, start: int, end: int) -> memoryview:
        read.append((name, start))
        return original(self, name, size, start, end)

    original = places.Bucket.read_range
    monkeypatch.setattr(places.Bucket, "read_range", read_range)
    list(reader(images, cache=tmp_path, cache_limit=LIMIT))
    assert len(read) == len(set(read)) >= 120


def test_it_goes_on_from_a_state_in_a_new_process(images: str, tmp_path: Path) -> None:
    whole = [sample for batch in reader(images, cache=tmp_path / "a", cache_limit=LIMIT) for sample in batch]
    one = reader(images, cache=tmp_path / "a", cache_limit=LIMIT)
    batches = iter(one)
    begin = [sample for _ in range(50) for sample in next(batches)]
    state = one.state_dict()
    batches.close()
    other = reader(images, cache=tmp_path / "b", cache_limit=LIMIT)
    other.load_state_dict(state)
    assert begin + [sample for batch in other for sample in batch] == whole


def test_a_cache_that_cannot_hold_a_step_is_told(images: str, tmp_path: Path) -> None:
    with pytest.raises(
        data.DataError, match=r"The cache is too small: the next step needs \d+ bytes .* cache_limit is 20000"
    ):
        list(reader(images, cache=tmp_path, cache_limit=20_000))


def test_the_store_may_be_away_for_a_while(images: str, gateway: Gateway, tmp_path: Path) -> None:
    one = reader(images, cache=tmp_path, cache_limit=LIMIT, patience=60)
    read: list[int] = []
    back: list[threading.Timer] = []
    for batch in one:
        read += batch
        if len(read) == 200:
            gateway.kill()
            back.append(threading.Timer(1.0, gateway.start))
            back[0].start()
    back[0].join()
    assert sorted(read) == list(range(COUNT))


def test_a_store_that_stays_away_ends_it_with_its_name(images: str, gateway: Gateway, tmp_path: Path) -> None:
    one = reader(images, cache=tmp_path, cache_limit=LIMIT, patience=1)
    gateway_is_up = iter(one)
    next(gateway_is_up)
    gateway.kill()
    with pytest.raises(data.DataError, match=r"The object store of s3://test-\w+ does not answer"):
        list(gateway_is_up)


def test_leaving_the_loop_does_not_wait_for_a_store_that_is_away(images: str, gateway: Gateway, tmp_path: Path) -> None:
    one = reader(images, cache=tmp_path, cache_limit=LIMIT, patience=3600)
    batches = iter(one)
    next(batches)
    gateway.kill()
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("footplate-data")]


def test_a_damaged_shard_is_named(images: str, gateway: Gateway, tmp_path: Path) -> None:
    path = shard(gateway, images, "000003.tar")
    content = bytearray(path.read_bytes())
    content[30_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(data.CorruptData, match=r"s3://test-\w+/images/000003.tar is damaged between bytes"):
        list(reader(images, cache=tmp_path, cache_limit=LIMIT))


def test_a_shard_that_was_cut_or_removed_is_named(images: str, gateway: Gateway, tmp_path: Path) -> None:
    path = shard(gateway, images, "000004.tar")
    content = path.read_bytes()
    for left in (len(content) - 20_000, 100):
        path.write_bytes(content[:left])
        with pytest.raises(
            data.CorruptData, match=rf"/images/000004.tar has {left} bytes, and the index .* {len(content)}"
        ):
            list(reader(images, cache=tmp_path / str(left), cache_limit=LIMIT))
    path.unlink()
    with pytest.raises(data.CorruptData, match=r"/images/000004.tar is not there"):
        list(reader(images, cache=tmp_path / "gone", cache_limit=LIMIT))


def test_shards_of_others_are_indexed_in_the_store(images: str) -> None:
    place = places.place(images, os.environ)
    before = place.read(INDEX)
    place.delete(INDEX)
    data.index(images, block_size=5 * (SIZE + 1548))
    assert place.read(INDEX) == before


def test_plain_files_are_streamed(bucket: str, tmp_path: Path) -> None:
    place = places.place(f"{bucket}/files", os.environ)
    for n in range(40):
        place.write(f"{n % 4}/{n:02d}.txt", str(n).encode() * 50)
    place.write("empty.txt", b"")
    assert data.index(f"{bucket}/files", block_size=500).samples == 41
    found = [
        sample
        for batch in data.Reader(f"{bucket}/files", batch_size=3, window=2, cache=tmp_path, cache_limit=5000)
        for sample in batch
    ]
    assert sorted(str(sample["__key__"]) for sample in found) == sorted(
        [*(f"{n % 4}/{n:02d}.txt" for n in range(40)), "empty.txt"]
    )
    assert all(
        sample["txt"] == str(int(str(sample["__key__"])[2:4])).encode() * 50 for sample in found if sample["txt"]
    )


def test_a_full_disk_says_so(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("footplate.data.cache.os.pwrite", full)
    with pytest.raises(data.DataError, match=r"cannot be written: .*No space left on device"):
        list(reader(images, cache=tmp_path, cache_limit=LIMIT))


def test_a_cache_that_others_fill_is_told(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "STARVED", 0.2)
    one, other = (reader(images, window=5, cache=tmp_path, cache_limit=LIMIT) for _ in range(2))
    other._seed = 8  # another order
    first = iter(one)
    next(first)
    with pytest.raises(data.DataError, match=r"has had no room for a block .*: more processes use it than"):
        list(other)
