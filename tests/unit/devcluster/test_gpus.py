from pathlib import Path

import pytest

from devcluster import device_plugin_api as api
from devcluster import gpus, kwok, simulated_gpus
from devcluster.errors import UsageError
from devcluster.paths import ClusterPaths
from devcluster.spec import ClusterSpec
from footplate.controllers import gpus as controllers

SPEC = ClusterSpec("dev", gpus="H100:4,1g.10gb:2")


def test_types_have_the_names_and_labels_by_which_controllers_select_nodes() -> None:
    for gpu in gpus.GPU_TYPES.values():
        labels = gpus.GpuCount(gpu, 1).labels()
        product = labels.pop("nvidia.com/gpu.product")
        assert controllers.carries(labels, gpu.name)
        assert controllers.carries({"nvidia.com/gpu.product": product}, gpu.name)


def test_mig_slices_are_resources_of_their_own() -> None:
    parsed = gpus.parse_gpus("H100:4,1g.10gb:2", "--gpu")
    assert parsed is not None
    assert parsed.resources() == {"nvidia.com/gpu": 4, "nvidia.com/mig-1g.10gb": 2}
    assert str(parsed) == "H100:4,1g.10gb:2"


def test_a_simulated_node_offers_its_gpus_and_runs_only_what_tolerates_it_when_asked() -> None:
    spec = ClusterSpec("dev", kwok_nodes=1, kwok_gpus="L4:2", kwok_taint=True)
    node = kwok.node(spec, 0)
    assert node["metadata"]["labels"]["footplate.dev/gpu-type"] == "L4"
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    assert node["spec"]["taints"][0]["effect"] == "NoSchedule"
    assert kwok.is_numbered(node["metadata"]["name"]) and not kwok.is_numbered("kwok-mine")


def test_marks_add_up_and_outlive_the_plugin(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    simulated_gpus.mark(SPEC, paths, [3, 1], healthy=False)
    simulated_gpus.mark(SPEC, paths, [0], healthy=False, resource="nvidia.com/mig-1g.10gb")
    simulated_gpus.mark(SPEC, paths, [1], healthy=True)
    bad = [(gpu.resource, gpu.index) for gpu in simulated_gpus.list_all(SPEC, paths) if not gpu.healthy]
    assert bad == [("nvidia.com/gpu", 3), ("nvidia.com/mig-1g.10gb", 0)]


def test_a_gpu_that_is_not_there_cannot_fail(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"it has nvidia\.com/gpu 0 to 3"):
        simulated_gpus.mark(SPEC, ClusterPaths(tmp_path), [4], healthy=False)
    with pytest.raises(UsageError, match="--gpu"):
        simulated_gpus.mark(ClusterSpec("dev"), ClusterPaths(tmp_path), [0], healthy=False)
    assert list(tmp_path.iterdir()) == []


def test_device_ids_are_the_same_after_a_restart_and_no_two_alike() -> None:
    ids = [gpu.id for gpu in simulated_gpus.list_all(SPEC, ClusterPaths(Path("/nowhere")))]
    assert len(set(ids)) == 6
    assert ids == [gpu.id for gpu in simulated_gpus.list_all(SPEC, ClusterPaths(Path("/elsewhere")))]


def test_messages_are_encoded_as_the_kubelet_reads_them() -> None:
    """Field numbers of api.proto, written out."""
    device = api.message("Device")(ID="a", health="Healthy")
    assert device.SerializeToString() == b"\x0a\x01a\x12\x07Healthy"
    watch = api.message("ListAndWatchResponse")(devices=[device])
    assert watch.SerializeToString() == b"\x0a\x0c" + device.SerializeToString()
    given = api.message("ContainerAllocateResponse")(envs={"K": "v"})
    assert given.SerializeToString() == b"\x0a\x06\x0a\x01K\x12\x01v"
    asked = api.message("AllocateRequest").FromString(b"\x0a\x03\x0a\x01x")
    assert list(asked.container_requests[0].devices_ids) == ["x"]
