"""The machines that the providers choose among are those that prices, limits and quotas are reckoned with."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from footplate.costs.machines import GCP_ACCELERATORS, gpus, vcpus
from footplate.costs.prices import Market, load


def gpu_machines() -> list[tuple[str, Any]]:
    found = [("aws", machine) for machine in import_module("providers.aws.machines").GPU_MACHINES]
    if find_spec("providers.gcp"):
        found += [("gcp", machine) for machine in import_module("providers.gcp.machines").MACHINES]
    return found


@pytest.mark.parametrize(("cloud", "machine"), gpu_machines(), ids=lambda value: getattr(value, "type", value))
def test_gpus_and_cpus_are_the_same_in_both_tables(cloud: str, machine: Any) -> None:
    attached = machine.type.startswith("n1-")
    if attached:
        assert GCP_ACCELERATORS[machine.accelerator] == machine.gpu
    else:
        found = gpus(cloud, machine.type)
        assert found is not None
        assert (found.name, found.number) == (machine.gpu, machine.gpus)
    cpus = machine.cpu if cloud == "aws" else machine.cpus
    assert vcpus(cloud, machine.type) == cpus


#: Sold in no list: by reservation, block or quote, or not priced where the table comes from.
UNLISTED = {"p5e.48xlarge", "a4-highgpu-8g", "a4x-highgpu-4g"}


@pytest.mark.parametrize(("cloud", "machine"), gpu_machines(), ids=lambda value: getattr(value, "type", value))
def test_a_machine_has_a_list_price_in_some_region(cloud: str, machine: Any) -> None:
    regions = {"aws": ("us-east-1", "us-east-2"), "gcp": ("us-central1", "us-east4")}[cloud]
    priced = any(load().find(cloud, region, machine.type, Market.ON_DEMAND) for region in regions)
    assert priced != (machine.type in UNLISTED)
