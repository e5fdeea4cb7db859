"""Clouds whose device plugin counts shares as GPUs: labels of nodes tell them apart, and pods ask by them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from footplate.api.resources import Gpu, Resources
from footplate.controllers import gpus, podshape
from footplate.controllers.capacity import measure
from tests.unit.controllers.build import PLATFORM, node

BY_LABEL = msgspec.structs.replace(PLATFORM, gpu_shares="labels", gpu_taints=("cloud.google.com/compute-class",))


def terms(gpu: Gpu, platform: Any) -> list[Any]:
    affinity = podshape.placement(gpu, platform)["affinity"]["nodeAffinity"]
    return [
        [(one["key"], one["operator"], one.get("values")) for one in term["matchExpressions"]]
        for term in affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    ]


@pytest.mark.parametrize(
    ("share", "by_resource", "requirement"),
    [
        (None, "nvidia.com/gpu", ("footplate.dev/gpu-share", "DoesNotExist", None)),
        ("1g.10gb", "nvidia.com/mig-1g.10gb", ("footplate.dev/gpu-share", "In", ["1g.10gb"])),
        ("1/4", "nvidia.com/gpu.shared", ("footplate.dev/gpu-share", "In", ["fraction"])),
    ],
)
def test_a_share_is_a_resource_of_its_own_or_a_gpu_of_a_node_with_the_label(
    share: str | None, by_resource: str, requirement: tuple[str, str, list[str] | None]
) -> None:
    gpu = Gpu(type="H100", share=share)
    asked = Resources(gpu=gpu)
    assert by_resource in podshape.container_resources(asked, PLATFORM)["limits"]
    assert podshape.container_resources(asked, BY_LABEL)["limits"]["nvidia.com/gpu"] == "1"
    assert all(requirement in term for term in terms(gpu, BY_LABEL))
    by_label = [key == "footplate.dev/gpu-share" for term in terms(gpu, PLATFORM) for key, _, _ in term]
    assert any(by_label) == (share is None), "a whole GPU is never looked for on nodes of shares"


def test_without_a_type_the_share_alone_is_asked_for() -> None:
    assert terms(Gpu(), BY_LABEL) == [[("footplate.dev/gpu-share", "DoesNotExist", None)]]
    assert "affinity" not in podshape.placement(Gpu(share="1g.10gb"), PLATFORM)


def test_pods_with_gpus_tolerate_what_keeps_others_off_such_nodes() -> None:
    keys = [one["key"] for one in podshape.placement(Gpu(), BY_LABEL)["tolerations"]]
    assert keys == ["nvidia.com/gpu", "cloud.google.com/compute-class"]
    assert podshape.placement(None, BY_LABEL) == {}


def test_what_a_node_counts_as_gpus_is_taken_for_the_shares_that_they_are() -> None:
    sliced = node("n1", 14, "H100")
    metadata = replace_labels(sliced, {"footplate.dev/gpu-share": "1g.10gb"})
    assert measure([metadata]).gpus == {("nvidia.com/mig-1g.10gb", "H100"): 14}
    assert gpus.offered("nvidia.com/gpu", {"footplate.dev/gpu-share": "fraction"}) == gpus.SHARED


def replace_labels(one: Any, more: dict[str, str]) -> Any:
    metadata = msgspec.structs.replace(one.metadata, labels={**one.metadata.labels, **more})
    return msgspec.structs.replace(one, metadata=metadata)
