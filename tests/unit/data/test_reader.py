"""Reading from a directory: each sample once, in one order, from any place, by any number of ranks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footplate import data
from tests.unit.data.sets import reader, written

COUNT = 203


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    written(root, COUNT)
    return root


def flat(batches: list[list[int]]) -> list[int]:
    return [sample for batch in batches for sample in batch]


def test_an_epoch_has_each_sample_once_and_epochs_differ(images: Path) -> None:
    found = reader(images)
    first, second = flat(list(found)), flat(list(found))
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert first != second
    assert (found.epoch, found.consumed) == (2, 0)
    assert first == flat(list(reader(images)))


@settings(max_examples=12)
@given(st.data())
def test_restarts_on_other_numbers_of_ranks_read_each_sample_once(images: Path, data: st.DataObject) -> None:
    one_order = flat(list(reader(images, batch_size=1)))
    state = reader(images).state_dict()
    read: list[int] = []
    while state["epoch"] == 0:
        world, batch = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 7))
        until = data.draw(st.integers(1, 10))
        states: list[str] = []
        for rank in range(world):
            one = reader(images, rank=rank, world=world, batch_size=batch, prefetch=0)
            one.load_state_dict(state)
            batches = iter(one)
            for _ in range(until):
                read += next(batches, [])
            states.append(json.dumps(one.state_dict()))
        assert len(set(states)) == 1
        state = json.loads(states[0])
        if state["epoch"] == 0:
            assert sorted(read) == sorted(one_order[: state["consumed"]])
    assert sorted(read) == list(range(COUNT))


def test_a_step_has_the_same_samples_however_many_ranks_share_it(images: Path) -> None:
    def steps(world: int) -> list[list[int]]:
        ranks = [list(reader(images, rank=rank, world=world, batch_size=24 // world)) for rank in range(world)]
        return [sorted(flat(list(batches))) for batches in zip(*ranks, strict=True)]

    assert steps(1) == steps(2) == steps(3) == steps(8)


def test_workers_take_turns_so_that_their_batches_are_those_of_one_process(images: Path) -> None:
    one = reader(images)
    with one._reading() as (batches, _):
        alone = list(batches.read())
        workers = [batches.read(worker, 3) for worker in range(3)]
        together: list[list[int]] = []
        while len(together) < len(alone):
            together.append(next(workers[len(together) % 3]))
    assert together == alone


def test_the_state_counts_what_was_handed_out_not_what_was_read_ahead(images: Path) -> None:
    one = reader(images, prefetch=8)
    batches = iter(one)
    next(batches)
    next(batches)
    assert one.state_dict()["consumed"] == 8
    batches.close()
    other = reader(images)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    assert flat(list(other)) == flat(list(reader(images)))[8:]


def test_the_rest_of_an_epoch_follows_a_break(images: Path) -> None:
    one = reader(images)
    read: list[int] = []
    for batch in one:
        read += batch
        if len(read) > 100:
            break
    read += flat(list(one))
    assert sorted(read) == list(range(COUNT))


def test_drop_last_leaves_whole_batches(images: Path) -> None:
    assert {len(batch) for batch in reader(images, drop_last=True, batch_size=8)} == {8}


def test_batches_are_collated(images: Path) -> None:
    assert sum(reader(images, collate=len)) == COUNT


def test_the_launchers_variables_say_which_rank_it_is(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        part = flat(list(reader(images)))
        assert len(part) in (COUNT // 2, COUNT // 2 + 1)
        read += part
    assert sorted(read) == list(range(COUNT))
    monkeypatch.delenv("RANK")
    monkeypatch.setenv("NODE_RANK", "1")
    monkeypatch.setenv("NNODES", "4")
    assert len(flat(list(reader(images)))) in (COUNT // 4, COUNT // 4 + 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"window": 0}, "window is 0"),
        ({"cache_limit": 0}, "cache_limit is 0"),
        ({"rank": 2, "world": 2}, "rank is 2, and there are 2 ranks"),
        ({"rank": 1}, "rank and world are given together"),
    ],
)
def test_requests_that_make_no_sense_are_refused(images: Path, options: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        reader(images, **options)


def test_a_state_of_another_order_is_refused(images: Path, tmp_path: Path) -> None:
    state = reader(images, seed=1).state_dict()
    with pytest.raises(ValueError, match="saved with seed 1, and this reader has 2"):
        reader(images, seed=2).load_state_dict(state)
    written(tmp_path, 50)
    with pytest.raises(ValueError, match="saved with data"):
        reader(tmp_path, seed=1).load_state_dict(state)
    with pytest.raises(ValueError, match="no state of a reader"):
        reader(images, seed=1).load_state_dict({"epoch": 1})
    with pytest.raises(ValueError, match=r"epoch 0, sample 999 of 203"):
        reader(images, seed=1).load_state_dict({**state, "consumed": 999})


def test_a_directory_without_an_index_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="footplate dataset index"):
        list(reader(tmp_path))
    with pytest.raises(data.DataError, match=r"'ftp://x' is no place for data"):
        reader("ftp://x")


def test_an_exception_of_decode_reaches_the_loop(images: Path) -> None:
    def decode(_: object) -> int:
        raise ArithmeticError("not today")

    with pytest.raises(ArithmeticError, match="not today"):
        list(reader(images, decode=decode))


def test_importing_it_imports_nothing_else(tmp_path: Path) -> None:
    """A training script that reads local data needs no package beside this one."""
    program = "import sys; from footplate import data; data.Reader, data.write; print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert not {"obstore", "msgspec", "torch", "footplate.agent.store", "footplate.sdk"} & set(eval(out.stdout))
