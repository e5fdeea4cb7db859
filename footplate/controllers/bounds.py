"""Every wait has a bound: the times and counts after which the controllers stop waiting. Each is a command-line option."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Bounds:
    start: timedelta = timedelta(minutes=20)
    """From being given a node to being ready: image pull, data, start of the server or of the processes."""
    early: timedelta = timedelta(minutes=10)
    """A workspace or attempt that ended sooner than this after it was ready counts as a failed start."""
    stop: timedelta = timedelta(minutes=3)
    """For the pods of a failed attempt to end, beside their grace: after it the next attempt does not wait for them."""
    last_words: timedelta = timedelta(seconds=10)
    """For a rank whose process has ended to end altogether, before the others are ended: then its logs stay."""
    node_lost: timedelta = timedelta(seconds=30)
    """From the moment a node is said not to answer until its ranks count as lost, without waiting for their eviction."""
    failed_starts: int = 5
    """In a row, through its own fault: then the workspace is Failed."""
    first_delay: timedelta = timedelta(seconds=2)
    longest_delay: timedelta = timedelta(minutes=5)
    snapshot: timedelta = timedelta(minutes=5)
    """For which a stop waits for home to be saved; then it is stopped, and saved all the same."""
    home_task: timedelta = timedelta(hours=1)
    """For a snapshot or a restore in all; then it counts as failed, and is tried again later."""
    home_retry: timedelta = timedelta(minutes=1)
    """Before the second try of a snapshot or a restore; doubles with each, up to an hour."""
    pods_created: timedelta = timedelta(seconds=10)
    """From a Job's creation to its pods' before it is asked what keeps them."""

    spread: timedelta = timedelta(seconds=1)
    """Over which next attempts that need not wait are spread: many jobs may have lost theirs at once."""
    shrink: timedelta = timedelta(minutes=1)
    """For all of an elastic job's nodes, before it takes as many as there are."""
    grow: timedelta = timedelta(minutes=10)
    """An elastic attempt runs at least so long before it is ended to go on with more nodes."""
    gang: timedelta = timedelta(minutes=10)
    """For the rest of a job's nodes, while some of them are held: then they are set free."""

    first_step: timedelta = timedelta(minutes=30)
    """Without a step, while a job starts and compiles or writes a checkpoint, before it may be taken for hung."""
    dump: timedelta = timedelta(minutes=1)
    """For the stacks of a hung attempt's ranks, before it is ended."""
    progress: timedelta = timedelta(seconds=30)
    """Between two writes of a job's steps to its status; with many jobs, a tenth of a second for each of them."""
    straggling: timedelta = timedelta(minutes=10)
    """A node's ranks are slower than the others for so long before the node is taken to be at fault."""

    preempt: timedelta = timedelta(seconds=30)
    """A job waits at least so long for room before others of lower priority make some."""
    handover: timedelta = timedelta(minutes=5)
    """For the job for which room was made to take it, before the one that made it starts again."""

    def delay(self, failed: int) -> timedelta:
        """Before the next start, after `failed` early ends in a row."""
        if failed <= 0:
            return timedelta(0)
        return min(self.first_delay * 2 ** min(failed - 1, 30), self.longest_delay)
