"""Which step is uploaded next, and which are deleted: rules, and a simulation of many nodes."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from footplate import checkpoint
from footplate.agent import stored
from footplate.agent.store import Object
from footplate.agent.stored import Stored
from footplate.checkpoint import Marker, Part


def part(step: int, number: int = 0, of: int = 1, attempt: str = "1") -> dict[Part, Marker]:
    return {Part(number, of): Marker(step, {f"{number}.pt": 8}, 3, attempt)}


@dataclass
class Bucket:
    """The store as objects: path → content. A file's content is its size."""

    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def put(self, step: int, parts: dict[Part, Marker], *, marker: bool = True, announced: bool = False) -> None:
        name = checkpoint.step_name(step)
        for one, content in parts.items():
            if announced:
                self.objects[f"{name}/{stored.announcement_name(one)}"] = b""
                continue
            for file, size in content.files.items():
                self.objects[f"{name}/{file}"] = b"." * size
            if marker:
                self.objects[f"{name}/{checkpoint.marker_name(one)}"] = content.encode()

    def listing(self) -> dict[int, Stored]:
        items = [Object(path, len(content), None) for path, content in self.objects.items()]
        return stored.from_listing(items, lambda item: self.objects.get(item.path))


def test_the_newest_goes_first() -> None:
    local = {10: part(10), 20: part(20)}
    assert stored.choose(local, {}, keep=3, final=False) == 20


def test_older_ones_follow_as_far_as_retention_keeps_them() -> None:
    bucket = Bucket()
    bucket.put(30, part(30))
    local = {10: part(10), 20: part(20), 30: part(30)}
    assert stored.choose(local, bucket.listing(), keep=2, final=False) == 20
    bucket.put(20, part(20))
    assert stored.choose(local, bucket.listing(), keep=2, final=False) is None
    assert stored.settled(local, bucket.listing(), 2) == {10, 20, 30}


def test_what_was_restored_is_not_uploaded_again() -> None:
    bucket = Bucket()
    bucket.put(30, part(30))
    assert stored.choose({30: part(30)}, bucket.listing(), keep=3, final=True) is None


def test_a_step_of_a_dead_attempt_is_uploaded_again() -> None:
    bucket = Bucket()
    bucket.put(30, part(30, attempt="1"))
    assert stored.choose({30: part(30, attempt="2")}, bucket.listing(), keep=3, final=False) == 30


def test_other_nodes_wait_for_the_leader_and_follow_it() -> None:
    bucket = Bucket()
    local = {10: part(10, 1, 2), 20: part(20, 1, 2)}
    assert stored.choose(local, bucket.listing(), keep=3, final=False) is None
    bucket.put(10, part(10, 0, 2), announced=True)
    assert stored.choose(local, bucket.listing(), keep=3, final=False) == 10
    assert stored.choose(local, bucket.listing(), keep=3, final=True) == 20


def test_a_checkpoint_without_its_marker_or_with_a_short_file_is_not_restored() -> None:
    bucket = Bucket()
    bucket.put(10, part(10))
    bucket.put(20, part(20), marker=False)
    bucket.put(30, part(30))
    bucket.objects["step-000000000030/0.pt"] = b"short"
    assert stored.complete_steps(bucket.listing()) == [10]
    assert sorted(stored.files_to_restore(bucket.listing()[10]) or ()) == [".commit-0-of-1", "0.pt"]


def test_foreign_objects_are_left_alone() -> None:
    bucket = Bucket({"notes.txt": b"mine", "step-1/x": b"", "step-000000000010": b"", "deep/step-000000000010/x": b""})
    assert bucket.listing() == {}
    assert stored.outdated(bucket.listing(), 1) == []


def test_retention_in_the_store() -> None:
    bucket = Bucket()
    for step in (10, 20, 30):
        bucket.put(step, part(step))
    bucket.put(15, part(15), marker=False)
    bucket.put(25, part(25), marker=False)
    bucket.put(40, part(40), marker=False)
    assert stored.outdated(bucket.listing(), 2) == [10, 15, 25]
    assert stored.outdated(bucket.listing(), 0) == []


@dataclass
class Node:
    """Uploads one step at a time; an upload takes ``slow`` turns. Keeps ``keep`` checkpoints locally, as the library does."""

    number: int
    nodes: int
    slow: int
    keep: int
    local: dict[int, dict[Part, Marker]] = field(default_factory=dict[int, dict[Part, Marker]])
    busy: int | None = None
    left: int = 0

    def commit(self, step: int) -> None:
        self.local[step] = part(step, self.number, self.nodes)
        marked = list(self.local)
        for old in checkpoint.superseded(marked, marked, [], self.keep):
            if old != self.busy:
                del self.local[old]

    def turn(self, bucket: Bucket, *, final: bool) -> None:
        if self.busy is not None:
            self.left -= 1
            if self.left > 0:
                return
            bucket.put(self.busy, part(self.busy, self.number, self.nodes))
            self.busy = None
            if self.number == 0:
                for step in stored.outdated(bucket.listing(), self.keep):
                    prefix = f"{checkpoint.step_name(step)}/"
                    bucket.objects = {k: v for k, v in bucket.objects.items() if not k.startswith(prefix)}
        step = stored.choose(self.local, bucket.listing(), keep=self.keep, final=final)
        if step is not None:
            self.busy, self.left = step, self.slow
            bucket.put(step, part(step, self.number, self.nodes), announced=True)


@settings(max_examples=10)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 3), st.integers(3, 7))
def test_slow_uploads_of_fast_checkpoints_still_complete_some_and_at_last_the_newest(
    slowness: list[int], keep: int, every: int
) -> None:
    """Nodes of different speed, a checkpoint every few turns, far faster than the slowest can upload."""
    bucket = Bucket()
    nodes = [Node(number, len(slowness), slow, keep) for number, slow in enumerate(slowness)]
    newest: list[int] = []
    for turn in range(120):
        for node in nodes:
            if turn % every == 0:
                node.commit(turn)
            node.turn(bucket, final=False)
        complete = stored.complete_steps(bucket.listing())
        if newest and complete:
            assert complete[-1] >= newest[-1], "a newer complete checkpoint was lost"
        newest += complete[-1:]
    # At least one in every four times that the slowest takes, however many are skipped.
    assert len(set(newest)) >= 120 // (4 * (max(slowness) + every)), sorted(set(newest))
    for _ in range(40 * max(slowness)):
        for node in nodes:
            node.turn(bucket, final=True)
    assert stored.complete_steps(bucket.listing())[-1] == max(nodes[0].local)
    for node in nodes:
        assert stored.settled(node.local, bucket.listing(), keep) >= {max(node.local)}
