"""A cluster with everything, as values: nothing is started."""

from pathlib import Path

import pytest

from devcluster import addresses, artifacts, certificates
from devcluster.host import Host
from devcluster.layout import Layout, RealNode
from devcluster.object_store import ObjectStore
from devcluster.paths import ClusterPaths
from devcluster.spec import ClusterSpec


@pytest.fixture
def full(tmp_path: Path) -> Layout:
    paths = ClusterPaths(tmp_path / "clusters" / "dev")
    spec = ClusterSpec("dev", gpus="H100:4,1g.10gb:2", kwok_nodes=2, kwok_gpus="L4:1")
    endpoints = addresses.in_namespace(spec, paths.root, None, [], 1500)
    programs = {program: tmp_path / "bin" / program for tool in artifacts.TOOLS for program in tool.packages}
    programs["pause"].parent.mkdir()
    programs["pause"].write_bytes(b"program")
    store = ObjectStore(endpoints.s3_url, "us-east-1", "key", "secret", "footplate")
    host = Host(Path("/usr/sbin/runc"), ("192.0.2.53",), overlay=True, attributes=True)
    layout = Layout(spec, endpoints, paths, programs, RealNode(host, store))
    certificates.ensure(paths, layout.leaves(), certificates.utc_now())
    return layout
