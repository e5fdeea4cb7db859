import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate.api import ObjectMeta, Resources, TrainingJob, TrainingJobSpec, TrainingJobStatus
from footplate.api.resources import Gpu
from footplate.api.trainingjob import Attempt, JobPhase
from footplate.client.logs.container import Line, Moment, Position
from footplate.client.logs.selection import Selection, select
from footplate.errors import BadUsage


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.15Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000001Z"),
        ("2026-01-01T01:00:00.5+01:00", "2026-01-01T00:00:00.6Z"),
        ("2026-01-01T00:00:00.999999998Z", "2026-01-01T00:00:00.999999999Z"),
    ],
)
def test_moments_compare_to_the_nanosecond_across_forms_and_zones(earlier: str, later: str) -> None:
    first, second = Moment.parse(earlier), Moment.parse(later)
    assert first is not None
    assert second is not None
    assert first < second


def test_what_is_no_moment() -> None:
    assert Moment.parse("Traceback") is None
    assert Moment.parse("") is None


def stamp(tick: int) -> bytes:
    return f"2026-01-01T00:00:{tick // 4:02d}.{tick % 4}Z".encode()


@given(
    ticks=st.lists(st.integers(0, 12), min_size=1, max_size=30).map(sorted),
    cuts=st.lists(st.integers(0, 30), max_size=4),
)
def test_each_line_comes_once_however_often_the_connection_breaks(ticks: list[int], cuts: list[int]) -> None:
    """The server, asked for lines since a second, gives all of that second again."""
    log = [(stamp(tick), number) for number, tick in enumerate(ticks)]
    position = Position()
    got: list[int] = []
    for cut in [*sorted(cut for cut in cuts if cut < len(log)), len(log)]:
        since = position.moment[:19]
        position.rewind()
        for moment, number in log[:cut]:
            if moment[:19] >= since and position.is_new(moment):
                got.append(number)
    assert got == list(range(len(log)))


def job(nodes: int = 2, processes: int | None = None, gpus: int | None = None, **status: object) -> TrainingJob:
    resources = Resources(gpu=Gpu(count=gpus)) if gpus else Resources()
    spec = TrainingJobSpec(
        environment="e", command=("x",), nodes=nodes, processes_per_node=processes, resources=resources
    )
    return TrainingJob(ObjectMeta(name="digits"), spec, TrainingJobStatus(**status))  # type: ignore[arg-type]


def test_a_rank_is_found_on_its_node() -> None:
    assert select(job(gpus=8), None, 13, None) == Selection(node=1, rank=13)
    assert select(job(processes=1), None, 1, None) == Selection(node=1)


@pytest.mark.parametrize(
    ("node", "rank", "attempt", "says"),
    [
        (2, None, None, "There is no --node 2: job digits has 2"),
        (-1, None, None, "There is no --node -1"),
        (None, 16, None, "has 2 × 8 processes"),
        (0, 13, None, "Rank 13 runs on node 1, not 0"),
        (None, None, 2, "There is no --attempt 2: job digits had 1"),
        (None, None, 0, "There is no --attempt 0"),
    ],
)
def test_what_the_job_has_not_got(node: int | None, rank: int | None, attempt: int | None, says: str) -> None:
    with pytest.raises(BadUsage, match=says):
        select(job(gpus=8, phase=JobPhase.FAILED, attempts=(Attempt(1),)), node, rank, attempt)


def test_lines_of_a_rank_are_told_by_the_launcher_s_prefix_padded_or_not() -> None:
    selection = Selection(node=0, rank=3)
    assert selection.takes_line(Line(b"[3] loss"))
    assert selection.takes_line(Line(b"[ 3] loss"))
    assert not selection.takes_line(Line(b"[13] loss"))
    assert not selection.takes_line(Line(b"loss [3] "))
    assert Selection().takes_line(Line(b"anything"))
