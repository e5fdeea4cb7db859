"""Ranks on whole nodes of a pool with a fabric ask for the nodes' further interfaces; all others leave them alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from footplate.api.platform import Fabric
from footplate.controllers.trainingjob import shape
from footplate.controllers.trainingjob.queueing import Queueing
from footplate.controllers.trainingjob.shape import Form
from tests.unit.controllers.build import PLATFORM, job

FABRIC = Fabric("H100", 8, {"vpc.amazonaws.com/efa": "32"}, {"of": "interfaces"}, {"FI_PROVIDER": "efa"})
WITH_FABRIC = msgspec.structs.replace(PLATFORM, fabrics=(Fabric("H200", 8, {"other": "1"}), FABRIC))


def template(gpu: dict[str, Any], nodes: int, **spec: Any) -> tuple[Any, Any]:
    asked = job(nodes=nodes, resources={"cpu": "32", "memory": "256Gi", "gpu": gpu}, **spec)
    form = Form("footplate.local/pytorch:0123456789ab", WITH_FABRIC, PLATFORM.teams[0], Queueing.NATIVE, nodes)
    made = shape.batch_job(asked, 1, form)["spec"]["template"]
    return made["metadata"], made["spec"]["containers"][0]


def test_a_rank_with_a_whole_node_has_all_its_interfaces() -> None:
    metadata, main = template({"count": 8, "type": "H100"}, nodes=2, env={"FI_PROVIDER": "tcp"})
    assert metadata["annotations"] == {"of": "interfaces"}
    assert main["resources"]["limits"]["vpc.amazonaws.com/efa"] == "32"
    assert main["resources"]["requests"] == main["resources"]["limits"], "an extended resource is asked for whole"
    assert [one["value"] for one in main["env"] if one["name"] == "FI_PROVIDER"] == ["tcp"], "the spec's own wins"


@pytest.mark.parametrize(
    ("gpu", "nodes"),
    [
        pytest.param({"count": 8, "type": "H100"}, 1, id="no peer to reach"),
        pytest.param({"count": 4, "type": "H100"}, 2, id="part of a node"),
        pytest.param({"count": 8, "type": "A100-80GB"}, 2, id="a pool without one"),
        pytest.param({"count": 8}, 2, id="any type"),
        pytest.param({"count": 8, "type": "H100", "share": "1g.10gb"}, 2, id="shares"),
    ],
)
def test_others_ask_for_none(gpu: dict[str, Any], nodes: int) -> None:
    metadata, main = template(gpu, nodes)
    assert "annotations" not in metadata
    assert main["resources"]["limits"].keys() == {
        "cpu",
        "memory",
        *(k for k in main["resources"]["limits"] if "nvidia" in k),
    }
    assert not [one for one in main["env"] if one["name"].startswith("FI_")]
