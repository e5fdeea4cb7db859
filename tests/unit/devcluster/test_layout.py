import json
import tomllib

import msgspec
import yaml

from devcluster.layout import Layout
from devcluster.plan import Component, Plan
from devcluster.supervisor import stop_tiers


def test_every_component_comes_after_components_that_exist(full: Layout) -> None:
    components = full.components()
    names = [component.name for component in components]
    assert len(names) == len(set(names))
    assert {name for component in components for name in component.after} <= set(names)


def test_a_plan_that_was_read_again_asks_for_no_restart(full: Layout) -> None:
    plan = Plan(full.components(), full.endpoints.node)
    again = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert again.digests() == plan.digests()


def test_a_changed_file_restarts_the_component_that_reads_it_and_no_other(full: Layout) -> None:
    def digests() -> dict[str, str]:
        return Plan(full.components()).digests()

    for path, content in full.files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    before = digests()
    (full.paths.config / "Corefile").write_text(".:53 { log }")
    assert {name for name, digest in digests().items() if digest != before[name]} == {"coredns"}


def test_files_that_components_name_are_written(full: Layout) -> None:
    written = {str(path) for path in full.files()}
    inside = str(full.paths.config)
    for component in full.components():
        named = [part.partition("=")[2] or part for part in component.command if inside in part]
        assert {*named, *(name for name in component.inputs if name.startswith(inside))} <= written


def test_configuration_files_are_in_their_programs_formats(full: Layout) -> None:
    files = {path.name: content.decode() for path, content in full.files().items()}
    containerd = tomllib.loads(files["containerd.toml"])
    assert containerd["plugins"]["io.containerd.cri.v1.images"]["snapshotter"] == "overlayfs"
    assert yaml.safe_load(files["kubelet.yaml"])["clusterDNS"] == [full.endpoints.pod_gateway]
    assert (
        json.loads(files["10-footplate.conflist"])["plugins"][0]["ipam"]["ranges"][0][0]["subnet"]
        == full.endpoints.pod_cidr
    )
    stages = list(yaml.safe_load_all(files["kwok.yaml"]))
    assert {stage["kind"] for stage in stages} == {"Stage"}


def test_the_api_profile_has_no_node(full: Layout) -> None:
    api = Layout(
        msgspec.structs.replace(full.spec, profile="api", gpus=""), full.endpoints, full.paths, full.binaries, None
    )
    names = {component.name for component in api.components()}
    assert names == {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "provisioner", "kwok"}


def test_what_others_come_after_is_ended_last(full: Layout) -> None:
    tiers = [{component.name for component in tier} for tier in stop_tiers(full.components())]
    assert tiers[-1] == {"etcd"}
    order = {name: index for index, tier in enumerate(tiers) for name in tier}
    assert order["gpu-plugin"] < order["kubelet"] < order["kube-apiserver"] < order["etcd"]
    assert order["kubelet"] < order["containerd"]


def test_components_that_wait_for_each_other_are_still_ended() -> None:
    circle = [Component("a", ("a",), after=("b",)), Component("b", ("b",), after=("a",))]
    assert stop_tiers(circle) == [circle]
