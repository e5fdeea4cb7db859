"""TrainingJob: training on one or many nodes, to its end."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, field

from footplate.api.meta import API_VERSION, Condition, ObjectMeta, Wire
from footplate.api.resources import Datasets, Duration, Env, Owner, Resources, TeamName, rules


class JobPhase(StrEnum):
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    RECOVERING = "Recovering"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobPhase.SUCCEEDED, JobPhase.FAILED, JobPhase.CANCELLED)


class CauseClass(StrEnum):
    APP = "App"
    INFRA = "Infra"
    PREEMPTION = "Preemption"
    CAPACITY = "Capacity"
    HANG = "Hang"
    DEADLINE = "Deadline"
    CANCELLED = "Cancelled"


class Launcher(StrEnum):
    TORCHRUN = "torchrun"
    RAY = "ray"
    JAX = "jax"
    NONE = "none"


class Code(Wire, frozen=True):
    uri: Annotated[
        str,
        Meta(
            pattern=r"^(s3|gs)://[^/]+/.+\.tar\.gz$",
            max_length=1024,
            description="A gzipped tar, named by the sha256 of its content; unpacked before start.",
        ),
    ]
    path: (
        Annotated[str, Meta(pattern=r"^[^/]", max_length=512, description="Working directory within the code.")] | None
    ) = None


class Elastic(Wire, frozen=True):
    min_nodes: Annotated[int, Meta(ge=1, le=10000)]
    max_nodes: Annotated[int, Meta(ge=1, le=10000)]


class Checkpoint(Wire, frozen=True):
    uri: (
        Annotated[
            str,
            Meta(
                pattern="^(s3|gs)://[^/]+/.+$",
                max_length=1024,
                description="Where committed checkpoints are kept; default: the team's bucket.",
            ),
        ]
        | None
    ) = None
    grace: Annotated[Duration, Meta(description="Time between SIGTERM and SIGKILL, for a last checkpoint.")] = "30s"


class Retries(Wire, frozen=True):
    """How many attempts may be lost to each class of cause before the job fails."""

    app: Annotated[int, Meta(ge=0, le=1000)] = 0
    infra: Annotated[int, Meta(ge=0, le=1000)] = 3
    preemption: Annotated[int, Meta(ge=0, le=1000)] = 10
    capacity: Annotated[int, Meta(ge=0, le=1000)] = 3


class Placement(Wire, frozen=True):
    targets: Annotated[tuple[Literal["cluster", "sagemaker", "vertex"], ...], Meta(min_length=1, max_length=3)] = (
        "cluster",
    )
    offload_after: Duration | None = None
    capacity: Annotated[tuple[Literal["reserved", "spot", "on-demand"], ...], Meta(max_length=3)] = ()


class TrainingJobSpec(Wire, frozen=True, kw_only=True):
    environment: Annotated[str, Meta(min_length=1, max_length=253, description="Name of an Environment.")] | None = None
    image: (
        Annotated[
            str,
            Meta(
                min_length=1, max_length=512, description="An image allowed by the platform, instead of an Environment."
            ),
        ]
        | None
    ) = None
    command: Annotated[
        tuple[str, ...],
        Meta(min_length=1, max_length=256, description="What each process runs, such as [python3, train.py]."),
    ]
    args: Annotated[tuple[str, ...], Meta(max_length=1024)] = ()
    env: Env = {}
    code: Code | None = None
    nodes: Annotated[int, Meta(ge=1, le=10000)] = 1
    processes_per_node: (
        Annotated[
            int, Meta(ge=1, le=256, description="Processes the launcher starts on a node; default: its GPUs, else 1.")
        ]
        | None
    ) = None
    resources: Annotated[Resources, Meta(description="Of one node.")] = Resources()
    elastic: Annotated[
        Elastic | None, rules(("self.minNodes <= self.maxNodes", "elastic.minNodes must not be above elastic.maxNodes"))
    ] = None
    launcher: Launcher = Launcher.TORCHRUN
    datasets: Datasets = ()
    checkpoint: Checkpoint = Checkpoint()
    retries: Retries = Retries()
    hang_timeout: (
        Annotated[
            Duration,
            Meta(
                description="An attempt none of whose ranks reports a step for so long is ended, with all stacks; "
                "without steps, one whose ranks neither use the CPU nor print. 0s or none: never."
            ),
        ]
        | None
    ) = None
    deadline: (
        Annotated[
            Duration,
            Meta(description="Wall-clock bound on the whole job, from its creation."),
            rules(("self.matches('[1-9]')", "deadline must be longer than 0s")),
        ]
        | None
    ) = None
    ttl_after_finished: Annotated[Duration, Meta(description="The job is deleted this long after its end.")] | None = (
        None
    )
    cancelled: Annotated[bool, Meta(description="Set to end the job; it cannot be taken back.")] = False
    suspended: Annotated[
        bool, Meta(description="Set to free its nodes after a checkpoint; it goes on from there when unset.")
    ] = False
    retry: Annotated[int, Meta(ge=0, le=1000, description="Raised to try a failed job again, with full budgets.")] = 0
    queue: Annotated[str, Meta(max_length=253)] | None = None
    priority: Literal["interactive", "training", "batch"] = "training"
    team: Annotated[TeamName, Meta(description="Set by the platform from the namespace when left out.")] | None = None
    owner: Owner | None = None
    placement: Placement = Placement()

    @property
    def processes(self) -> int:
        """Processes per node."""
        if self.processes_per_node:
            return self.processes_per_node
        gpu = self.resources.gpu
        return gpu.count if gpu else 1


class Cause(Wire, frozen=True):
    class_: Annotated[CauseClass, Meta(description="Whose fault it was.")] = field(name="class")
    evidence: Annotated[str, Meta(description="A clause with what was seen.")] = ""
    reason: Annotated[str, Meta(description="CamelCase, for scripts: OutOfMemory, NodeNotReady and so on.")] = ""
    retry: Annotated[bool, Meta(description="False: another attempt would end the same way.")] = True
    budget: (
        Annotated[
            Literal["app", "infra", "preemption", "capacity"],
            Meta(description="The field of spec.retries that it is charged to; none where it is charged to nobody."),
        ]
        | None
    ) = None
    suspect_nodes: Annotated[tuple[str, ...], Meta(description="Nodes that may be at fault.")] = ()
    preempted_by: Annotated[str, Meta(description="namespace/name of the job for which it made room.")] = ""


class Machine(Wire, frozen=True):
    """Nodes of one kind. `type`: of the cloud; empty where the node does not say."""

    type: str = ""
    region: str = ""
    market: Annotated[str, Meta(description="on-demand, spot, flex-start, capacity-block or reserved.")] = "on-demand"
    count: int = 1


class Attempt(Wire, frozen=True):
    """Immutable once ``end`` is set."""

    number: int
    target: Literal["cluster", "sagemaker", "vertex"] = "cluster"
    nodes: int = 1
    start: datetime | None = None
    end: datetime | None = None
    cause: Cause | None = None
    running: Annotated[datetime | None, Meta(description="When all its ranks ran.")] = None
    start_step: Annotated[int | None, Meta(description="The checkpoint that it started from.")] = None
    checkpoint_step: Annotated[int | None, Meta(description="The newest checkpoint that is in the store.")] = None
    checkpoint_at: Annotated[datetime | None, Meta(description="When that checkpoint was taken.")] = None
    log_uri: Annotated[
        str | None, Meta(description="Where its logs, metrics and artifacts are kept; they outlive its pods.")
    ] = None
    machines: Annotated[tuple[Machine, ...], Meta(description="What it ran on, for what it cost.")] = ()
    slow_nodes: Annotated[
        tuple[str, ...], Meta(description="Nodes whose ranks were slower than the others for long.")
    ] = ()
    external_id: str | None = None


class Progress(Wire, frozen=True):
    step: int | None = None
    total_steps: int | None = None
    checkpoint_step: int | None = None
    updated_at: datetime | None = None


class Straggler(Wire, frozen=True):
    """A rank that takes `times` as long for a step as the median."""

    rank: int
    node: str
    times: float
    since: datetime


class Pending(Wire, frozen=True):
    reason: str
    message: str
    position: int | None = None
    next_action: str | None = None


class Goodput(Wire, frozen=True):
    productive_seconds: int = 0
    lost_seconds: dict[str, int] = {}


class TrainingJobStatus(Wire, frozen=True):
    phase: JobPhase | None = None
    conditions: tuple[Condition, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    progress: Progress | None = None
    stragglers: Annotated[tuple[Straggler, ...], Meta(description="The slowest first, at most 16.")] = ()
    pending: Pending | None = None
    goodput: Goodput | None = None
    retry: Annotated[int, Meta(description="The value of spec.retry that has been acted on.")] = 0
    budgets_from: Annotated[int, Meta(description="The first attempt that counts against the budgets.")] = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    message: Annotated[str, Meta(description="One sentence: what it waits for, or why it ended.")] | None = None
    observed_generation: int = 0


class TrainingJob(Wire, frozen=True, omit_defaults=False):
    metadata: ObjectMeta
    spec: TrainingJobSpec
    status: TrainingJobStatus = TrainingJobStatus()
    api_version: str = API_VERSION
    kind: str = "TrainingJob"
