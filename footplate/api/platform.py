"""What the Pulumi program tells the controllers, the CLI and the SDK: the ConfigMap ``footplate-platform``."""

from typing import Literal

from msgspec import json

from footplate.api.meta import Wire

CONFIG_MAP = "footplate-platform"
KEY = "platform.json"
OBJECT_STORE_SECRET = "footplate-object-store"

#: Service accounts in each team's namespace.
SERVICE_ACCOUNT_WORKSPACE = "workspace"
SERVICE_ACCOUNT_JOB = "job"


def priority_class(priority: str) -> str:
    """The PriorityClass of a spec's ``priority``."""
    return f"footplate-{priority}"


class Team(Wire, frozen=True):
    """``data_uri`` is where the team's data, checkpoints and code snapshots go: ``s3://bucket/prefix`` or ``gs://…``."""

    name: str
    data_uri: str


class ObjectStore(Wire, frozen=True):
    """``endpoint`` is empty where the cloud's own is used (S3, GCS). The Secret is in every team's namespace.

    Its keys are environment variables: ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``; empty where pods have an
    identity of their own (EKS Pod Identity, GKE Workload Identity).
    """

    endpoint: str = ""
    region: str = "us-east-1"
    secret_name: str = OBJECT_STORE_SECRET


class Platform(Wire, frozen=True):
    version: str
    platform_image: str
    state_uri: str
    teams: tuple[Team, ...]
    object_store: ObjectStore = ObjectStore()
    queueing: Literal["auto", "kueue", "native", "none"] = "auto"
    #: Image prefixes that specs may name beside the Environments; ``*`` at the end matches any rest.
    allowed_images: tuple[str, ...] = ()
    #: GPU type → GPUs of the largest node that an autoscaled pool can add; empty where the nodes are fixed.
    autoscaled_gpus: dict[str, int] = {}

    def to_config_map_data(self) -> dict[str, str]:
        return {KEY: json.format(json.encode(self), indent=2).decode()}


def from_config_map_data(data: dict[str, str]) -> Platform:
    """ValidationError (msgspec) names the field that is missing or wrong; KeyError where the key is missing."""
    return json.decode(data[KEY], type=Platform)
