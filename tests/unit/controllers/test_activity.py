"""What is decided from what was heard. The tables and properties take no clock but the one given."""

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate.api.limits import Limits, limits
from footplate.api.platform import IdlePolicy, Reporting
from footplate.api.workspace import Activity, Idle
from footplate.controllers.workspace.activity import NOTHING, Heard, Outlook, outlook
from tests.unit.controllers.build import NOW, PLATFORM, workspace

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LIMITS = Limits(
    timeout=HOUR,
    warn_before=15 * MINUTE,
    max_extension=4 * HOUR,
    unknown_warning=30 * MINUTE,
    unknown_limit=None,
    reclaim_notice=10 * MINUTE,
    silence=5 * MINUTE,
)
USED = Activity("Active", NOW - HOUR, ("somebody types",))
LONG = 24 * HOUR
"""For which this replica has listened."""


def idle(span: timedelta, age: timedelta = timedelta(0), **more: object) -> Heard:
    return Heard(age, span, **more)  # pyright: ignore[reportArgumentType]


def busy(age: timedelta = timedelta(0)) -> Heard:
    return Heard(age, age, ("analysis.ipynb runs",))


def look(
    heard: Heard | None,
    before: Activity | None = None,
    *,
    at: datetime = NOW,
    wish: Idle | None = None,
    listening: timedelta = LONG,
    limits: Limits = LIMITS,
    claimed_by: str | None = None,
) -> Outlook:
    return outlook(before, wish, heard, listening, limits, at, claimed_by)


def test_what_has_just_started_is_active_before_its_agent_has_spoken() -> None:
    for listening in (timedelta(0), LONG):
        found = look(None, listening=listening)
        assert (found.activity.state, found.stops_at, found.stop) == ("Active", None, False)
    later = look(None, found.activity, at=NOW + 6 * MINUTE)
    assert later.activity.state == "Unknown"
    assert later.activity.reasons == ("its agent has never reported: its image may not have one",)


def test_an_active_one_has_no_end_and_costs_no_write_while_it_stays_active() -> None:
    first = look(busy())
    assert (first.activity.state, first.activity.reasons) == ("Active", ("analysis.ipynb runs",))
    assert (first.stops_at, first.stop) == (None, False)
    later = look(busy(), first.activity, at=NOW + 48 * HOUR)
    assert later.activity == first.activity


def test_new_reasons_of_an_active_one_are_written_only_now_and_then() -> None:
    first = look(busy()).activity
    both = Heard(timedelta(0), timedelta(0), ("analysis.ipynb runs", "make runs in a terminal"))
    other = Heard(timedelta(0), timedelta(0), ("make runs in a terminal",))
    assert look(both, first, at=NOW + 9 * MINUTE).activity == first
    assert look(both, first, at=NOW + 11 * MINUTE).activity.reasons == both.reasons
    assert look(other, first, at=NOW + 4 * MINUTE).activity == first
    assert look(other, first, at=NOW + 6 * MINUTE).activity.reasons == other.reasons, (
        "what was written is not so any more"
    )


def test_an_idle_one_is_warned_and_then_stopped() -> None:
    first = look(idle(10 * MINUTE), USED)
    assert first.activity == Activity("Idle", NOW - 10 * MINUTE, (NOTHING,))
    assert (first.stops_at, first.stop, first.activity.warned_at) == (NOW + 50 * MINUTE, False, None)
    warned = look(idle(46 * MINUTE), first.activity, at=NOW + 36 * MINUTE)
    assert warned.activity.warned_at == NOW + 36 * MINUTE
    assert warned.stops_at == NOW + 51 * MINUTE, "a warning that came late still gives the time it promises"
    assert not look(idle(60 * MINUTE), warned.activity, at=NOW + 50 * MINUTE).stop
    assert look(idle(61 * MINUTE), warned.activity, at=NOW + 51 * MINUTE).stop


def test_work_that_begins_after_the_warning_takes_the_stop_back() -> None:
    warned = look(idle(50 * MINUTE), USED).activity
    assert warned.warned_at is not None
    again = look(busy(), warned, at=NOW + 14 * MINUTE)
    assert (again.activity.state, again.activity.warned_at, again.stops_at) == ("Active", None, None)


def test_after_a_long_absence_of_the_controllers_the_warning_comes_first() -> None:
    before = Activity("Idle", NOW - 10 * HOUR, (NOTHING,))
    silent = look(None, before, listening=timedelta(0))
    assert (silent.activity, silent.stop) == (before, False), "nobody has had time to report"
    heard = look(idle(10 * HOUR), before)
    assert (heard.activity.warned_at, heard.stop) == (NOW, False)
    assert heard.stops_at == NOW + 15 * MINUTE


def test_silence_is_unknown_and_never_idle() -> None:
    before = Activity("Idle", NOW - 2 * HOUR, (NOTHING,), warned_at=NOW - 40 * MINUTE)
    found = look(idle(2 * HOUR, age=6 * MINUTE), before)
    assert (found.activity.state, found.stops_at, found.stop) == ("Unknown", None, False)
    assert found.activity.unknown_since == NOW - 5 * MINUTE
    assert found.look == NOW + 25 * MINUTE, "then it is told"
    later = look(None, found.activity, at=NOW + 30 * 24 * HOUR)
    assert (later.activity, later.stop) == (found.activity, False)


def test_a_blind_agent_is_unknown_for_the_reason_it_gives() -> None:
    found = look(idle(HOUR * 5, blind="JupyterLab does not answer"))
    assert (found.activity.state, found.activity.reasons) == ("Unknown", ("JupyterLab does not answer",))


def test_unknown_is_acted_on_where_an_administrator_has_set_a_limit() -> None:
    strict = replace(LIMITS, unknown_limit=2 * HOUR)
    first = look(None, Activity("Active", NOW - HOUR, ("x",)), limits=strict)
    assert first.stops_at == NOW - 5 * MINUTE + 2 * HOUR
    warned = look(None, first.activity, at=NOW + 100 * MINUTE, limits=strict)
    assert warned.activity.warned_at == NOW + 100 * MINUTE
    assert look(None, warned.activity, at=NOW + 115 * MINUTE, limits=strict).stop
    restarted = look(None, warned.activity, at=NOW + 115 * MINUTE, limits=strict, listening=MINUTE)
    assert not restarted.stop, "a replica that has just begun to listen stops nothing"


def test_an_extension_is_bounded_and_never_shortens() -> None:
    def stops(until: timedelta) -> datetime | None:
        return look(idle(10 * MINUTE), USED, wish=Idle(keep_until=NOW + until)).stops_at

    assert stops(2 * HOUR) == NOW + 2 * HOUR
    assert stops(MINUTE) == NOW + 50 * MINUTE
    assert stops(100 * HOUR) == NOW + 50 * MINUTE + 4 * HOUR


def test_finish_then_stop_waits_for_the_work_and_for_nothing_else() -> None:
    wish = Idle(stop_when_finished=True)
    assert not look(busy(), wish=wish).stop
    assert look(idle(MINUTE), USED, wish=wish).stop
    assert not look(idle(HOUR, age=10 * MINUTE), wish=wish).stop


def test_a_clock_that_leaps_stops_nothing() -> None:
    first = look(idle(MINUTE), USED).activity
    for leap in (HOUR, -HOUR, 24 * HOUR):
        found = look(idle(2 * MINUTE), first, at=NOW + leap)
        assert not found.stop
        assert found.activity.last_active == NOW + leap - 2 * MINUTE


def test_gpu_classes_and_teams_have_thresholds_of_their_own() -> None:
    platform = msgspec.structs.replace(
        PLATFORM,
        idle=IdlePolicy(timeout="3h", gpu_timeout="40m", gpu_timeouts={"H100": "20m"}, longest_timeout="6h"),
        reporting=Reporting(silence="90s"),
    )
    team = msgspec.structs.replace(platform.teams[0], idle=IdlePolicy(gpu_timeouts={"L4": "2h"}, warn_before="5m"))

    def of(**spec: object) -> Limits:
        return limits(workspace(**spec).spec, platform, team)

    h100, l4, any_gpu = ({"gpu": {"count": 1, **kind}} for kind in ({"type": "H100"}, {"type": "L4"}, {}))
    assert of().timeout == 3 * HOUR
    assert of(resources=h100).timeout == 20 * MINUTE
    assert of(resources=l4).timeout == 2 * HOUR
    assert of(resources=any_gpu).timeout == 40 * MINUTE
    assert (of().warn_before, of().silence) == (5 * MINUTE, timedelta(seconds=90))
    assert of(idle={"timeout": "5h"}).timeout == 5 * HOUR
    for asked in ("9h", "0s"):
        found = of(idle={"timeout": asked})
        assert found.timeout == 6 * HOUR
        assert found.bounded == f"spec.idle.timeout asks for {asked}, and the platform allows 6h."


@pytest.mark.parametrize("policy", [IdlePolicy(timeout="0s")])
def test_a_platform_may_stop_nothing(policy: IdlePolicy) -> None:
    never = limits(workspace().spec, msgspec.structs.replace(PLATFORM, idle=policy), None)
    assert never.timeout is None
    assert look(idle(1000 * HOUR), USED, limits=never) == Outlook(
        Activity("Idle", NOW - 1000 * HOUR, (NOTHING,)), look=NOW + 5 * MINUTE
    )


# Something waits for its GPU.

JOB = "job team-vision/train"


def test_an_idle_one_is_told_and_stopped_after_the_notice_for_what_waits_for_its_gpu() -> None:
    told = look(idle(20 * MINUTE), USED, claimed_by=JOB)
    assert (told.activity.claimed_by, told.stops_at, told.stop) == (JOB, NOW + 10 * MINUTE, False)
    assert told.activity.warned_at == NOW, "its agent reports more often from now on"
    later = look(idle(25 * MINUTE), told.activity, at=NOW + 5 * MINUTE, claimed_by="job team-vision/other")
    assert later.stops_at == NOW + 10 * MINUTE, "whoever it is, the notice is given once"
    assert look(idle(30 * MINUTE), told.activity, at=NOW + 10 * MINUTE, claimed_by=JOB).stop


def test_use_an_extension_or_the_end_of_the_wait_takes_the_claim_back() -> None:
    told = look(idle(20 * MINUTE), USED, claimed_by=JOB).activity
    at = NOW + 10 * MINUTE
    for found in (
        look(busy(), told, at=at, claimed_by=JOB),
        look(idle(30 * MINUTE), told, at=at, claimed_by=JOB, wish=Idle(keep_until=at + HOUR)),
        look(idle(30 * MINUTE), told, at=at),
    ):
        assert (found.activity.claimed_by, found.activity.claimed_at, found.stop) == (None, None, False)


def test_a_claim_needs_an_agent_that_is_heard_and_a_platform_that_reclaims() -> None:
    told = look(idle(20 * MINUTE), USED, claimed_by=JOB).activity
    began = look(None, told, at=NOW + HOUR, listening=timedelta(0), claimed_by=JOB)
    assert (began.activity, began.stop) == (told, False), "a new replica waits for a report"
    assert look(None, told, at=NOW + HOUR, listening=HOUR, claimed_by=JOB).activity.state == "Unknown"
    keeps = replace(LIMITS, reclaim_notice=None)
    assert look(idle(20 * MINUTE), USED, claimed_by=JOB, limits=keeps).activity.claimed_by is None


def test_a_claim_never_puts_a_stop_off() -> None:
    warned = look(idle(50 * MINUTE), USED)
    at = NOW + 14 * MINUTE
    assert look(idle(64 * MINUTE), warned.activity, at=at, claimed_by=JOB).stops_at == warned.stops_at


# Histories: what is heard minute by minute, with gaps, and the owner's extensions.

_step = st.tuples(
    st.sampled_from(["busy", "idle", "silent", "blind"]),
    st.integers(1, 60),
    st.one_of(st.none(), st.integers(0, 600)),
    st.booleans(),
)


@given(st.lists(_step, max_size=12), st.booleans())
def test_whatever_the_history(steps: list[tuple[str, int, int | None, bool]], acts_on_unknown: bool) -> None:
    given_limits = replace(LIMITS, unknown_limit=3 * HOUR if acts_on_unknown else None)
    now, before, wish = NOW, None, Idle()
    worked, reported, idle_from = NOW, NOW, NOW
    for kind, minutes, extension, wanted in steps:
        claimed_by = JOB if wanted else None
        if extension is not None:
            wish = Idle(keep_until=now + extension * MINUTE)
        for _ in range(minutes):
            now += MINUTE
            if kind in ("busy", "idle"):
                reported = now
            if kind == "busy":
                worked = now
            idle_from = worked
            heard: Heard | None = Heard(
                now - reported,
                now - idle_from,
                ("x",) if kind == "busy" or worked == now else (),
                blind="blind" if kind == "blind" else "",
            )
            if kind == "silent" and reported == NOW:
                heard = None
            found = look(heard, before, at=now, wish=wish, limits=given_limits, claimed_by=claimed_by)
            again = look(heard, found.activity, at=now, wish=wish, limits=given_limits, claimed_by=claimed_by)
            assert (again.activity, again.stops_at, again.stop) == (found.activity, found.stops_at, found.stop)
            if (claimed_at := found.activity.claimed_at) is not None:
                assert found.activity.state == "Idle"
                assert wish.keep_until is None or wish.keep_until <= now
                assert found.stop == (now - claimed_at >= 10 * MINUTE and heard is not None)
                before = found.activity
                continue
            if found.stop:
                assert kind != "busy"
                assert acts_on_unknown or found.activity.state == "Idle"
                assert found.activity.warned_at is not None
                assert now - found.activity.warned_at >= LIMITS.warn_before
                if found.activity.state == "Idle":
                    assert now - worked >= HOUR - MINUTE
            if found.stops_at is not None and found.activity.state == "Idle":
                assert found.activity.last_active is not None
                latest = found.activity.last_active + HOUR + LIMITS.max_extension
                warned = found.activity.warned_at
                assert found.stops_at <= max(latest, (warned or NOW) + LIMITS.warn_before)
                assert found.stops_at >= found.activity.last_active + HOUR
            before = found.activity
    # It converges: left idle, it is stopped, once.
    for _ in range(12 * 30):
        now += 5 * MINUTE
        found = look(Heard(timedelta(0), now - worked), before, at=now, wish=wish, limits=given_limits)
        before = found.activity
        if found.stop:
            return
    raise AssertionError("an idle one was never stopped")
