"""Data sets as they are written, indexed, and found damaged."""

import io
import tarfile
from pathlib import Path

import pytest

from footplate import data
from footplate.data.layout import INDEX
from tests.unit.data.sets import number, reader, samples, written


def tar(path: Path, members: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as file:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))


def test_shards_are_plain_tars_that_others_read(tmp_path: Path) -> None:
    index = written(tmp_path, 60)
    shards = sorted(path.name for path in tmp_path.glob("*.tar"))
    assert shards == ["000000.tar", "000001.tar", "000002.tar"]
    assert index.samples == 60
    names: list[str] = []
    for shard in shards:
        with tarfile.open(tmp_path / shard) as file:
            names += file.getnames()
    assert names[:4] == ["s00000.bin", "s00000.cls", "s00001.bin", "s00001.cls"]
    assert len(names) == 120


def test_blocks_of_a_shard_have_as_many_samples(tmp_path: Path) -> None:
    counts = [block.samples for block in written(tmp_path, 200).blocks]
    assert len(counts) >= 40
    assert max(counts) - min(counts) <= 1


def test_indexing_finds_what_writing_has_noted(tmp_path: Path) -> None:
    index = written(tmp_path, 100)
    (tmp_path / INDEX).unlink()
    seen: list[tuple[int, int]] = []
    block_size = 5 * 2548
    assert data.index(tmp_path, block_size=block_size, progress=lambda done, total: seen.append((done, total))) == index
    assert seen == [(number, 4) for number in range(1, 5)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_shards_of_other_writers(tmp_path: Path, form: int) -> None:
    """Folders, several dots, long names, names beyond ASCII, and WebDataset's own notes."""
    deep = "d" * 90 + "/" + "e" * 60
    names = [(f"{deep}/{n}.seg.png", b"1" * n) for n in range(20)] + [(f"ü{n}.txt", b"x") for n in range(20)]
    tar(tmp_path / "train" / "a.tar", [("__notes__.json", b"{}"), *names], form)
    tar(tmp_path / "train" / "b.tar", [("only.jpg", b"j"), ("only.cls", b"3")], form)
    assert data.index(tmp_path, block_size=4096).samples == 41
    found = {str(sample["__key__"]): sample for batch in data.Reader(tmp_path, batch_size=5) for sample in batch}
    assert len(found) == 41
    assert found[f"{deep}/7"]["seg.png"] == b"1" * 7
    assert found["ü3"]["txt"] == b"x"
    assert found["only"] == {"__key__": "only", "jpg": b"j", "cls": b"3"}


def test_plain_files_are_a_sample_each(tmp_path: Path) -> None:
    for n in range(30):
        path = tmp_path / f"class-{n % 3}" / f"{n}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * n)
    (tmp_path / ".hidden").write_text("no")
    (tmp_path / "README").write_text("yes")
    assert data.index(tmp_path, block_size=100).samples == 31
    found = {str(sample["__key__"]): sample for batch in data.Reader(tmp_path, batch_size=4) for sample in batch}
    assert found["class-1/7.txt"] == {"__key__": "class-1/7.txt", "txt": b"x" * 7}
    assert found["README"]["bin"] == b"yes"
    (tmp_path / "class-1/7.txt").write_bytes(b"")
    with pytest.raises(data.CorruptData, match=r"class-1/7.txt has 0 bytes, and the index of its data set says 7"):
        list(data.Reader(tmp_path, batch_size=4))


def test_a_data_set_is_not_written_over_unless_asked(tmp_path: Path) -> None:
    written(tmp_path, 100)
    with pytest.raises(data.DataError, match="has a data set"):
        written(tmp_path, 30)
    (tmp_path / "other.tar").write_bytes(b"not ours")
    data.write(tmp_path, samples(30), shard_size=25 * 2548, overwrite=True)
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == ["000000.tar", "000001.tar", "other.tar"]
    assert sorted(sample for batch in reader(tmp_path) for sample in batch) == list(range(30))


@pytest.mark.parametrize("sample", [{"__key__": "a.b", "x": 1}, {"__key__": "a"}, {"__key__": "", "x": 1}])
def test_samples_that_could_not_be_read_again_are_refused(tmp_path: Path, sample: dict[str, str | int]) -> None:
    with pytest.raises(ValueError, match="__key__"):
        data.write(tmp_path, [sample])
    assert not (tmp_path / INDEX).exists()


def test_no_samples_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="No samples were given"):
        data.write(tmp_path, [])
    with pytest.raises(data.DataError, match="no tar shards and no files"):
        data.index(tmp_path)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    written(tmp_path, 100)
    shard = tmp_path / "000002.tar"
    content = bytearray(shard.read_bytes())
    content[30_000] ^= 1
    shard.write_bytes(content)
    with pytest.raises(data.CorruptData, match=r"000002.tar is damaged between bytes"):
        list(reader(tmp_path))


def test_a_shard_that_was_cut_or_removed_is_named(tmp_path: Path) -> None:
    written(tmp_path, 100)
    shard = tmp_path / "000001.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1000])
    with pytest.raises(data.CorruptData, match=rf"000001.tar has {len(content) - 1000} bytes, .* says {len(content)}"):
        list(reader(tmp_path))
    shard.unlink()
    with pytest.raises(data.CorruptData, match=r"000001.tar is not there"):
        list(reader(tmp_path))


@pytest.mark.parametrize("cut", [100, 512, 700, 20_000, 30_001])
def test_a_cut_tar_is_not_indexed(tmp_path: Path, cut: int) -> None:
    members = [(f"{n}.bin", bytes(3000)) for n in range(20)]
    tar(tmp_path / "a.tar", members)
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(content[:cut])
    with pytest.raises(data.DataError, match=r"a\.tar|no tar shards"):
        data.index(tmp_path)
    assert not (tmp_path / INDEX).exists()


def test_a_tar_with_a_damaged_header_is_not_indexed(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [(f"{n}.bin", b"x" * 100) for n in range(20)])
    content = bytearray((tmp_path / "a.tar").read_bytes())
    content[1024 * 5 + 130] ^= 0xFF
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(data.CorruptData, match=r"a\.tar is damaged at byte 5120 of"):
        data.index(tmp_path)


def test_two_samples_of_one_name_are_told(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [("a.bin", b"1"), ("a.bin", b"2")])
    with pytest.raises(data.CorruptData, match=r"two members a\.bin"):
        data.index(tmp_path)


def test_an_index_of_another_version_or_none_is_told(tmp_path: Path) -> None:
    written(tmp_path, 10)
    for content, says in ((b'{"version": 2}', "is of version 2"), (b"[]", "is no index"), (b"{", "is no index")):
        (tmp_path / INDEX).write_bytes(content)
        with pytest.raises(data.DataError, match=says):
            list(data.Reader(tmp_path, batch_size=1, decode=number))
