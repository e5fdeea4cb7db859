"""What the Pulumi program tells the controllers, the CLI and the SDK: the ConfigMap ``footplate-platform``."""

from typing import Annotated, Literal

from msgspec import Meta, json

from footplate.api import duration, labels, quantity
from footplate.api.meta import Wire

Quantity = Annotated[str, Meta(pattern=quantity.PATTERN, description="a quantity such as 500m, 8 or 64Gi")]
Duration = Annotated[str, Meta(pattern=duration.PATTERN, description="a duration such as 90s, 30m, 12h or 7d")]

CONFIG_MAP = "footplate-platform"
KEY = "platform.json"
OBJECT_STORE_SECRET = "footplate-object-store"

#: Where pods report: a Service whose one address is the leading controllers' (`footplate.controllers.collector`).
COLLECTOR = "footplate-collector"
COLLECTOR_PORT = 8081
TOKEN_AUDIENCE = "footplate"

#: Service accounts in each team's namespace.
SERVICE_ACCOUNT_WORKSPACE = "workspace"
SERVICE_ACCOUNT_JOB = "job"
SERVICE_ACCOUNT_HOME = "home"


#: A spec's ``priority`` → its rank, the highest first.
PRIORITIES = {"interactive": 0, "training": 1, "batch": 2}


def priority_class(priority: str) -> str:
    """The PriorityClass of a spec's ``priority``."""
    return f"footplate-{priority}"


class IdlePolicy(Wire, frozen=True):
    """When workspaces stop by themselves; ``0s`` is never. A team's own comes first, then the platform's, then IDLE_DEFAULTS."""

    timeout: Duration | None = None
    #: Of workspaces with a GPU; by GPU type where that is named.
    gpu_timeout: Duration | None = None
    gpu_timeouts: dict[str, Duration] = {}
    #: What a workspace may ask for at most.
    longest_timeout: Duration | None = None
    warn_before: Duration | None = None
    max_extension: Duration | None = None
    #: Not known to be active or idle for so long: an event; and a stop, which never comes where it is not set.
    unknown_warning: Duration | None = None
    unknown_limit: Duration | None = None
    #: From the word that something waits for the GPU of an idle workspace until that is stopped for it.
    reclaim_notice: Duration | None = None


IDLE_DEFAULTS = IdlePolicy(
    timeout="4h",
    gpu_timeout="1h",
    longest_timeout="2d",
    warn_before="15m",
    max_extension="8h",
    unknown_warning="30m",
    unknown_limit="0s",
    reclaim_notice="10m",
)


class HomePolicy(Wire, frozen=True):
    """Snapshots of homes. `keep_last`, and beside them the last of each of so many days and weeks."""

    snapshot: Literal["OnStop", "Never"] = "OnStop"
    keep_last: Annotated[int, Meta(ge=1, le=1000)] = 5
    keep_daily: Annotated[int, Meta(ge=0, le=1000)] = 7
    keep_weekly: Annotated[int, Meta(ge=0, le=1000)] = 4


class Reporting(Wire, frozen=True):
    """How pods tell the platform what they do."""

    #: Of the collector, as pods reach it.
    url: str = f"http://{COLLECTOR}.{labels.SYSTEM_NAMESPACE}.svc:{COLLECTOR_PORT}"
    every: Duration = "60s"
    #: For how long something that was seen counts as the reason of the present activity.
    recent: Duration = "5m"
    #: Without a report for so long, nothing is known.
    silence: Duration = "5m"


class Maximum(Wire, frozen=True):
    """What one workspace, or one node of a job, may ask for; what is left out is not limited. ``nodes``: of one job."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    gpu: Annotated[int, Meta(ge=0)] | None = None
    home: Quantity | None = None
    nodes: Annotated[int, Meta(ge=1)] | None = None


class Team(Wire, frozen=True):
    """``data_uri`` is where the team's data, checkpoints and code snapshots go: ``s3://bucket/prefix`` or ``gs://…``."""

    name: str
    data_uri: str
    idle: IdlePolicy = IdlePolicy()


class ObjectStore(Wire, frozen=True):
    """``endpoint`` is empty where the cloud's own is used (S3, GCS). The Secret is in every team's namespace.

    Its keys are environment variables: ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``; empty where pods have an
    identity of their own (EKS Pod Identity, GKE Workload Identity).
    """

    endpoint: str = ""
    region: str = "us-east-1"
    secret_name: str = OBJECT_STORE_SECRET
    #: How long the records of jobs are kept where the store does not remove them by rules of its own.
    keep_records: Duration | None = None


class Fabric(Wire, frozen=True):
    """What a rank on whole nodes of a GPU pool adds to its pod to reach the others over the cloud's fabric (EFA, GPUDirect).

    `gpu`, `gpus`: type and number on a node, by which jobs are told to be the pool's. `resources`, `env`: of the main
    container; what a spec sets itself wins over `env`.
    """

    gpu: str
    gpus: int
    resources: dict[str, str] = {}
    annotations: dict[str, str] = {}
    env: dict[str, str] = {}


class Platform(Wire, frozen=True):
    version: str
    platform_image: str
    state_uri: str
    teams: tuple[Team, ...]
    object_store: ObjectStore = ObjectStore()
    queueing: Literal["auto", "kueue", "native", "none"] = "auto"
    #: Image prefixes that specs may name beside the Environments; ``*`` at the end matches any rest.
    allowed_images: tuple[str, ...] = ()
    maximum: Maximum = Maximum()
    #: GPU type → GPUs of the largest node that an autoscaled pool can add; empty where the nodes are fixed.
    autoscaled_gpus: dict[str, int] = {}
    #: How shares of GPUs are told apart: by resources of their own (NVIDIA's device plugin), or by SHARE_LABEL of nodes.
    gpu_shares: Literal["resources", "labels"] = "resources"
    #: Keys of taints that GPU nodes have beside nvidia.com/gpu, for pods with GPUs to tolerate.
    gpu_taints: tuple[str, ...] = ()
    fabrics: tuple[Fabric, ...] = ()
    idle: IdlePolicy = IdlePolicy()
    homes: HomePolicy = HomePolicy()
    reporting: Reporting = Reporting()

    def to_config_map_data(self) -> dict[str, str]:
        return {KEY: json.format(json.encode(self), indent=2).decode()}


def homes_uri(state_uri: str, team: str) -> str:
    """Under which a team's snapshots are: one repository a workspace, by owner and name."""
    return f"{state_uri}/homes/{team}"


def from_config_map_data(data: dict[str, str]) -> Platform:
    """ValidationError (msgspec) names the field that is missing or wrong; KeyError where the key is missing."""
    return json.decode(data[KEY], type=Platform)
