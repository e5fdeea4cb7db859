"""Reading the machine: processes, mounts, control groups, routes, rules."""

import os
from pathlib import Path

from devcluster import cgroups, host, link, processes
from devcluster.plan import NodeNetwork

NETWORK = NodeNetwork("fpaadd6f05e0", "10.199.0.1", "10.199.0.2", 30, "10.244.0.0/16", 1400, ("10.200.0.0/16",))
CLUSTER = Path("/data/clusters/dev")
STAT = "42 (a b) c) S 1 42 42 0 -1 4194304 100 0 0 0 5 6 0 0 20 0 1 0 9000 1000 50"
MINE = {"FOOTPLATE_CLUSTER": str(CLUSTER), "FOOTPLATE_COMPONENT": "etcd", "FOOTPLATE_PLAN": "abc"}


def test_a_process_is_known_by_the_environment_it_was_started_with() -> None:
    environment = processes.parse_environment(b"FOOTPLATE_CLUSTER=/data\0PATH=/bin:a=b\0broken\0")
    assert environment == {"FOOTPLATE_CLUSTER": "/data", "PATH": "/bin:a=b"}
    assert processes.identify(42, MINE, STAT, CLUSTER) == processes.Process(42, 9000, "etcd", "abc", leader=True)
    assert processes.identify(43, MINE, STAT, CLUSTER) == processes.Process(43, 9000, "etcd", "abc", leader=False)


def test_processes_of_others_and_dead_ones_are_not_the_clusters() -> None:
    assert processes.identify(42, {}, STAT, CLUSTER) is None
    assert processes.identify(42, MINE, STAT, Path("/data/clusters/other")) is None
    assert processes.identify(42, MINE, STAT.replace(") S ", ") Z "), CLUSTER) is None


def test_this_process_is_of_no_cluster() -> None:
    assert processes.read(os.getpid(), CLUSTER) is None


def test_control_group_hierarchies_of_both_versions_are_found() -> None:
    mounts = """tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
    found = [(Path("/sys/fs/cgroup/cpu"), "cgroup"), (Path("/sys/fs/cgroup/unified"), "cgroup2")]
    assert cgroups.parse_hierarchies(mounts) == found


def test_the_filesystem_of_a_path_is_that_of_its_nearest_mount() -> None:
    mounts = "/dev/vda / ext4 rw 0 0\noverlay /data overlay rw 0 0\ntmpfs /data/clusters tmpfs rw 0 0\n"
    assert host.filesystem_type(Path("/data/clusters/dev"), mounts) == "tmpfs"
    assert host.filesystem_type(Path("/data/other"), mounts) == "overlay"
    assert host.filesystem_type(Path("/database"), mounts) == "ext4"
    assert host.mounts_below(Path("/data"), mounts) == [Path("/data"), Path("/data/clusters")]


def test_name_servers_on_loopback_are_of_no_use_in_another_namespace() -> None:
    assert host.parse_nameservers("search a\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\n") == (
        "192.0.2.53",
    )


def test_rules_of_one_cluster_are_removed_and_no_others() -> None:
    listed = """-P FORWARD ACCEPT
-A FORWARD -i fpaadd6f05e0 -m comment --comment fpaadd6f05e0 -j ACCEPT
-A FORWARD -o fpaadd6f05e0f -m comment --comment fpaadd6f05e0f -j ACCEPT
-A DOCKER -m comment --comment "some words" -j RETURN
"""
    assert link.deletions(listed, "fpaadd6f05e0") == [
        "-D FORWARD -i fpaadd6f05e0 -m comment --comment fpaadd6f05e0 -j ACCEPT"
    ]


def test_every_rule_on_the_machine_carries_the_mark_by_which_it_is_removed() -> None:
    rules = [f"-A {rule}" for _, rule in link.machine_rules(NETWORK)]
    assert len(link.deletions("\n".join(rules), NETWORK.interface)) == len(rules)


def test_the_way_out_is_the_default_route() -> None:
    routes = "Iface\tDestination\nlo\t0000007F\t0\t1\t0\t0\t0\t000000FF\neth0\t00000000\t1\t3\t0\t0\t0\t00000000\n"
    assert link.default_interface(routes) == "eth0"
    assert link.default_interface("Iface\n") == ""


def test_no_address_that_is_invented_for_simulated_nodes_leaves_the_namespace() -> None:
    assert "ip route replace local 10.200.0.0/16 dev lo" in link.node_script(NETWORK)
