"""Kubernetes' own objects, in as many fields as the controllers decide on: the caches keep nothing else."""

from datetime import datetime

from msgspec import Struct, field


class Seen(Struct, frozen=True, rename="camel", omit_defaults=True):
    pass


class Owner(Seen, frozen=True):
    uid: str
    kind: str = ""
    name: str = ""


class Metadata(Seen, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[Owner, ...] = ()
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int = 0

    def owned_by(self, uid: str) -> bool:
        return any(owner.uid == uid for owner in self.owner_references)


class PodCondition(Seen, frozen=True):
    type: str
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class Terminated(Seen, frozen=True):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None


class Waiting(Seen, frozen=True):
    reason: str = ""
    message: str = ""


class Running(Seen, frozen=True):
    started_at: datetime | None = None


class ContainerState(Seen, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class DeviceHealth(Seen, frozen=True):
    resource_id: str = field(name="resourceID", default="")
    health: str = ""


class AllocatedResource(Seen, frozen=True):
    """What a container was given, such as `nvidia.com/gpu`, and how it fares (KEP-4680)."""

    name: str = ""
    resources: tuple[DeviceHealth, ...] = ()


class ContainerStatus(Seen, frozen=True):
    name: str
    image: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    allocated_resources_status: tuple[AllocatedResource, ...] = ()


class Requests(Seen, frozen=True):
    requests: dict[str, str] = {}


class Container(Seen, frozen=True):
    resources: Requests = Requests()


class PodSpec(Seen, frozen=True):
    node_name: str = ""
    containers: tuple[Container, ...] = ()


class PodStatus(Seen, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = field(name="podIP", default="")
    conditions: tuple[PodCondition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Seen, frozen=True):
    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def ended(self) -> bool:
        return self.status.phase in ("Failed", "Succeeded")

    @property
    def over(self) -> bool:
        """Its process has ended; what runs beside it may not have."""
        main = self.container("main")
        return self.ended or (main is not None and main.state.terminated is not None)

    @property
    def leaving(self) -> bool:
        return self.metadata.deletion_timestamp is not None

    @property
    def ready(self) -> bool:
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True" and not self.leaving

    def condition(self, type_: str) -> PodCondition | None:
        return next((condition for condition in self.status.conditions if condition.type == type_), None)

    def container(self, name: str) -> ContainerStatus | None:
        statuses = (*self.status.container_statuses, *self.status.init_container_statuses)
        return next((status for status in statuses if status.name == name), None)


class EndpointConditions(Seen, frozen=True):
    ready: bool = False


class Endpoint(Seen, frozen=True):
    addresses: tuple[str, ...] = ()
    hostname: str = ""
    conditions: EndpointConditions = EndpointConditions()


class EndpointSlice(Seen, frozen=True):
    metadata: Metadata
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()


class ClaimStatus(Seen, frozen=True):
    phase: str = ""
    capacity: dict[str, str] = {}


class ClaimRequests(Seen, frozen=True):
    requests: dict[str, str] = {}


class ClaimSpec(Seen, frozen=True):
    resources: ClaimRequests = ClaimRequests()
    storage_class_name: str = ""


class Claim(Seen, frozen=True):
    """A PersistentVolumeClaim."""

    metadata: Metadata
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class Bare(Seen, frozen=True):
    """Any object of which only its being there counts."""

    metadata: Metadata


class JobSpec(Seen, frozen=True):
    suspend: bool = False
    completions: int = 0


class JobStatus(Seen, frozen=True):
    active: int = 0
    """Pods that run or wait."""
    conditions: tuple[PodCondition, ...] = ()
    start_time: datetime | None = None
    completion_time: datetime | None = None


class Job(Seen, frozen=True):
    """A batch/v1 Job: one attempt of a TrainingJob."""

    metadata: Metadata
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()

    def condition(self, type_: str) -> PodCondition | None:
        """Only where it is True."""
        found = (condition for condition in self.status.conditions if condition.type == type_)
        return next((condition for condition in found if condition.status == "True"), None)


class PodGroupStatus(Seen, frozen=True):
    conditions: tuple[PodCondition, ...] = ()


class PodGroup(Seen, frozen=True):
    """scheduling.k8s.io/v1beta1 (KEP-4671)."""

    metadata: Metadata
    status: PodGroupStatus = PodGroupStatus()


class AdmissionStatus(Seen, frozen=True):
    conditions: tuple[PodCondition, ...] = ()


class Admission(Seen, frozen=True):
    """Kueue's Workload: what it says of a Job."""

    metadata: Metadata
    status: AdmissionStatus = AdmissionStatus()


class Taint(Seen, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(Seen, frozen=True):
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(Seen, frozen=True):
    allocatable: dict[str, str] = {}
    conditions: tuple[PodCondition, ...] = ()


class Node(Seen, frozen=True):
    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    def condition(self, type_: str) -> PodCondition | None:
        return next((condition for condition in self.status.conditions if condition.type == type_), None)

    @property
    def ready(self) -> bool:
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True"


class ScopeSelector(Seen, frozen=True):
    match_expressions: tuple[dict[str, object], ...] = ()


class QuotaSpec(Seen, frozen=True):
    hard: dict[str, str] = {}
    scopes: tuple[str, ...] = ()
    scope_selector: ScopeSelector | None = None


class QuotaStatus(Seen, frozen=True):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class Quota(Seen, frozen=True):
    """A ResourceQuota."""

    metadata: Metadata
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class ConfigMap(Seen, frozen=True):
    metadata: Metadata
    data: dict[str, str] = field(default_factory=dict[str, str])
