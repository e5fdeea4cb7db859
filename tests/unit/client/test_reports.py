from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from footplate.api import TrainingJob
from footplate.api.resources import Gpu, Resources
from footplate.client import reports, spending
from footplate.costs.prices import Market, Price, PriceTable

NOW = datetime(2026, 1, 8, tzinfo=UTC)


def hours(count: float) -> datetime:
    return NOW - timedelta(hours=count)


def job(name: str, team: str = "vision", owner: str = "ada", gpus: int = 8, **status: Any) -> TrainingJob:
    spec = {"command": ["x"], "owner": owner, "resources": {"gpu": {"count": gpus}}}
    return msgspec.convert(
        {"metadata": {"name": name, "namespace": f"team-{team}"}, "spec": spec, "status": status}, TrainingJob
    )


DONE = job(
    "done",
    phase="Succeeded",
    finishedAt=hours(2),
    attempts=[{"number": 1, "nodes": 2, "start": hours(5), "running": hours(4), "end": hours(2)}],
    goodput={"productiveSeconds": 7200, "lostSeconds": {"startup": 3600}},
)
RUNS = job("runs", owner="bob", phase="Running", attempts=[{"number": 1, "nodes": 1, "start": hours(3), "running": hours(3)}])  # fmt: skip
OLD = job("old", team="speech", phase="Failed", finishedAt=hours(500), attempts=[])


def test_goodput_by_team_with_what_is_still_open() -> None:
    (row,) = reports.goodput([DONE, RUNS], "team", NOW)
    assert (row.name, row.jobs, row.attempts, row.productive_seconds) == ("vision", 2, 2, 7200)
    assert (row.lost_seconds, row.open_seconds) == ({"startup": 3600}, 10800)
    assert row.share == 2 / 3
    assert reports.goodput([OLD], "team", NOW)[0].share is None


def test_gpu_hours_by_owner_since_a_time() -> None:
    rows = reports.usage([DONE, RUNS], "owner", None, NOW)
    assert [(r.name, r.gpu_hours, r.node_hours, r.running) for r in rows] == [("ada", 32, 4, 0), ("bob", 24, 3, 1)]
    late = reports.usage([DONE, RUNS], "owner", hours(3), NOW)
    assert [(r.name, r.gpu_hours) for r in late] == [("bob", 24), ("ada", 16)]


def test_jobs_that_ended_before_are_left_out() -> None:
    assert [j.metadata.name for j in reports.since([DONE, RUNS, OLD], hours(24))] == ["done", "runs"]


PRICES = PriceTable(
    [
        ("aws", Price("us-east-2", "p5.48xlarge", Market.ON_DEMAND, 80.0, "hour", "test", date(2026, 1, 1))),
        ("aws", Price("us-east-2", "m6i.2xlarge", Market.ON_DEMAND, 0.4, "hour", "test", date(2026, 1, 1))),
        ("gcp", Price("us-central1", "a2-highgpu-1g", Market.SPOT, 1.0, "hour", "test", date(2026, 1, 1))),
    ]
)


def ran(*machines: dict[str, Any], nodes: int = 1, **spec: Any) -> TrainingJob:
    """For two hours."""
    attempt = {
        "number": 1,
        "nodes": nodes,
        "start": hours(3),
        "running": hours(3),
        "end": hours(1),
        "machines": machines,
    }
    return job("ran", phase="Succeeded", finishedAt=hours(1), attempts=[attempt], **spec)


def cost(*jobs: TrainingJob) -> spending.Spending:
    return spending.spending(jobs, "team", None, NOW, PRICES)


def test_a_job_pays_for_its_part_of_a_machine() -> None:
    p5 = {"type": "p5.48xlarge", "region": "us-east-2", "count": 2}
    (row,) = cost(ran(p5, nodes=2, gpus=4)).rows
    assert (row.usd, row.gpu_hours, row.node_hours, row.unpriced) == (2 * 2 * 80.0 / 2, 16.0, 4.0, {})


def test_spot_without_a_price_of_its_own_counts_as_on_demand_and_says_so() -> None:
    found = cost(ran({"type": "p5.48xlarge", "region": "us-east-2", "market": "spot"}))
    assert found.rows[0].usd == 160.0
    assert "no spot price of p5.48xlarge here" in found.notes[0]
    assert cost(ran({"type": "a2-highgpu-1g", "region": "us-central1", "market": "spot"}, gpus=1)).rows[0].usd == 2.0


def test_a_job_without_gpus_pays_for_its_cpus() -> None:
    machine = {"type": "m6i.2xlarge", "region": "us-east-2"}
    one = ran(machine)
    without = msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, resources=Resources(cpu="2")))
    assert cost(without).rows[0].usd == 0.2


def test_what_has_no_price_is_named_and_is_not_free() -> None:
    unknown = ran({"type": "p9.metal", "region": "us-east-2"})
    nameless = ran()
    (row,) = cost(unknown, nameless).rows
    assert row.usd is None
    assert row.unpriced == {"p9.metal (on-demand) in us-east-2": 2.0, "nodes that name no machine type": 2.0}
    (mixed,) = cost(unknown, ran({"type": "p5.48xlarge", "region": "us-east-2"})).rows
    assert mixed.usd == 160.0
    assert mixed.unpriced == {"p9.metal (on-demand) in us-east-2": 2.0}
    shares = ran({"type": "p5.48xlarge", "region": "us-east-2"})
    gpu = Gpu(count=1, share="1g.10gb")
    shares = msgspec.structs.replace(shares, spec=msgspec.structs.replace(shares.spec, resources=Resources(gpu=gpu)))
    assert cost(shares).rows[0].unpriced == {"1g.10gb shares of GPUs of p5.48xlarge": 2.0}
