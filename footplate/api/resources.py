"""Spec fields that Workspace and TrainingJob share."""

from typing import Annotated

from msgspec import Meta

from footplate.api import duration, quantity
from footplate.api.meta import Wire

Quantity = Annotated[str, Meta(pattern=quantity.PATTERN, max_length=32)]
#: Its form is the API server's to check: an object from before a stricter one is still read, and judged.
Duration = Annotated[str, Meta(max_length=32), Meta(extra_json_schema={"pattern": duration.PATTERN})]
Env = Annotated[dict[str, str], Meta(max_length=200, description="Environment variables of the user's process.")]
Owner = Annotated[str, Meta(max_length=253), Meta(extra_json_schema={"pattern": r"^[^\x00-\x1f\x7f]+$"})]
TeamName = Annotated[str, Meta(pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]


def rules(*rows: tuple[str, str]) -> Meta:
    """CEL rules ``(expression, message)`` of the annotated type.

    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
    """
    return Meta(
        extra_json_schema={"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in rows]}
    )


class Gpu(Wire, frozen=True):
    count: Annotated[int, Meta(ge=1, le=64, description="GPUs (or shares of one, with `share`) per pod.")] = 1
    type: (
        Annotated[str, Meta(max_length=63, description="GPU name: H100, A100-80GB, L4 and so on; any when left out.")]
        | None
    ) = None
    share: (
        Annotated[
            str,
            Meta(
                pattern=r"^([0-9]g\.[0-9]+gb|0\.[0-9]+|1/[0-9]+)$",
                max_length=16,
                description="A MIG profile such as 1g.10gb, or a fraction such as 0.5 or 1/4 where GPUs are time-sliced.",
            ),
        ]
        | None
    ) = None

    @property
    def phrase(self) -> str:
        """`8 H100 GPUs`, `1 GPU`, `2 1g.10gb shares of H100`."""
        plural = "s" if self.count != 1 else ""
        if self.share is not None:
            return f"{self.count} {self.share} share{plural} of {self.type or 'any GPU'}"
        return f"{self.count} {f'{self.type} GPU' if self.type else 'GPU'}{plural}"


class Resources(Wire, frozen=True):
    """Of one pod: a workspace, or one node of a job. CPU and memory are both request and limit."""

    cpu: Annotated[Quantity, Meta(description="CPU cores, such as 500m or 4.")] = "1"
    memory: Annotated[Quantity, Meta(description="Memory, such as 4Gi.")] = "2Gi"
    gpu: Gpu | None = None


#: What a dataset's path must not be: expressions that match it, and why.
MISPLACED = (
    (r"(^|/)\.\.?(/|$)", "must not have . or .. in it"),
    (
        "^/(bin|boot|dev|etc|footplate|lib|lib32|lib64|libx32|proc|run|sbin|sys|usr)(/|$)",
        "must not be a directory of the system or of the platform, such as /etc, /usr or /footplate, or in one",
    ),
    ("^/home(/footplate)?$", "must not be home itself: name a directory in it"),
)
DATASET_PATH = "^(/[^/]+)+$"


class Dataset(Wire, frozen=True):
    name: Annotated[str, Meta(pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=50)]
    uri: Annotated[
        str,
        Meta(
            pattern="^(s3|gs|pvc)://[^/]+(/.*)?$",
            max_length=1024,
            description="s3://bucket/prefix and gs://bucket/prefix are copied in before start; pvc://claim/path is mounted.",
        ),
    ]
    path: (
        Annotated[
            str,
            Meta(max_length=512, description="Where it appears in the container; default /data/<name>."),
            Meta(extra_json_schema={"pattern": DATASET_PATH}),
            rules(*((f"!self.matches(r'{form}')", f"path {text}") for form, text in MISPLACED)),
        ]
        | None
    ) = None
    read_only: bool = True

    @property
    def mount_path(self) -> str:
        return self.path or f"/data/{self.name}"


Datasets = Annotated[
    tuple[Dataset, ...],
    Meta(max_length=32),
    Meta(extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
    rules(
        (
            "self.all(a, self.exists_one(b, (has(a.path) ? a.path : '/data/' + a.name) == (has(b.path) ? b.path : '/data/' + b.name)))",
            "two datasets have one path",
        )
    ),
]
