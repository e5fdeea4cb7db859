import pytest

from footplate.api.trainingjob import Attempt, Machine
from footplate.controllers.cluster import Node
from footplate.controllers.trainingjob.machines import machine, noted
from tests.unit.controllers.build import node, pod

TYPE, REGION = "node.kubernetes.io/instance-type", "topology.kubernetes.io/region"


def of(name: str, **labels: str) -> Node:
    found = node(name)
    found.metadata.labels.update(labels)
    return found


@pytest.mark.parametrize(
    ("labels", "market"),
    [
        ({}, "on-demand"),
        ({"karpenter.sh/capacity-type": "spot"}, "spot"),
        ({"eks.amazonaws.com/capacityType": "CAPACITY_BLOCK"}, "capacity-block"),
        ({"footplate.dev/capacity": "flex"}, "flex-start"),
        ({"cloud.google.com/gke-spot": "true"}, "spot"),
    ],
)
def test_nodes_say_how_they_were_bought(labels: dict[str, str], market: str) -> None:
    found = machine(of("n", **{TYPE: "p5.48xlarge", REGION: "us-east-2"}, **labels))
    assert found == Machine("p5.48xlarge", "us-east-2", market)


def test_kinds_of_nodes_are_noted_once_all_ranks_have_one() -> None:
    nodes = {name: of(name, **{TYPE: type_}) for name, type_ in (("n1", "a"), ("n2", "b"), ("n3", "a"))}
    attempt = Attempt(number=1, nodes=3)
    pods = [pod(name, node=name) for name in ("n1", "n2")]
    assert noted(attempt, pods, nodes) is attempt
    found = noted(attempt, [*pods, pod("n3", node="n3")], nodes)
    assert found.machines == (Machine("a", count=2), Machine("b"))
    assert noted(found, [], {}) is found
