"""The real node: container runtime, kubelet, proxy, DNS. Their arguments and files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from devcluster import link, oci
from devcluster.addresses import Endpoints
from devcluster.host import Host
from devcluster.paths import ClusterPaths
from devcluster.plan import Check, Component
from devcluster.spec import ClusterSpec

DOMAIN = "cluster.local"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
KUBELET_HEALTH = 10248
PROXY_HEALTH = 10256
DNS_READY = 8181


def components(
    spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths, binaries: Mapping[str, Path]
) -> list[Component]:
    return [
        _containerd(paths, binaries),
        _kubelet(spec, endpoints, paths, binaries["kubelet"]),
        _kube_proxy(paths, binaries["kube-proxy"]),
        _coredns(paths, binaries["coredns"]),
    ]


def files(
    spec: ClusterSpec,
    endpoints: Endpoints,
    paths: ClusterPaths,
    binaries: Mapping[str, Path],
    host: Host,
    cgroup: str,
) -> dict[Path, bytes]:
    config = paths.config
    return {
        config / "containerd.toml": containerd_config(paths, binaries, host).encode(),
        config / "cni" / "10-footplate.conflist": json.dumps(cni_config(endpoints), indent=2).encode(),
        config / "kubelet.yaml": _yaml(kubelet_config(spec, endpoints, paths, cgroup)),
        config / "kube-proxy.yaml": _yaml(proxy_config(spec, endpoints, paths)),
        config / "Corefile": corefile(endpoints, paths, host).encode(),
        config / "resolv.conf": "".join(f"nameserver {server}\n" for server in host.nameservers).encode(),
    }


def _yaml(document: dict[str, Any]) -> bytes:
    return yaml.safe_dump(document, sort_keys=False).encode()


def _containerd(paths: ClusterPaths, binaries: Mapping[str, Path]) -> Component:
    config = str(paths.config / "containerd.toml")
    cni = str(paths.config / "cni" / "10-footplate.conflist")
    programs = binaries["containerd"].parent  # where it finds its shim
    return Component(
        "containerd",
        (str(binaries["containerd"]), f"--config={config}"),
        check=Check("unix", CONTAINERD_SOCKET),
        environment={"PATH": f"{programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        inputs=(config, cni),
    )


def containerd_config(paths: ClusterPaths, binaries: Mapping[str, Path], host: Host) -> str:
    images, runtime = "plugins.'io.containerd.cri.v1.images'", "plugins.'io.containerd.cri.v1.runtime'"
    # Without CAP_SYS_RESOURCE (many containers) no process may lower its oom_score_adj, and every sandbox would fail.
    return f"""version = 3
root = '{paths.containerd}'
state = '/run/containerd'
disabled_plugins = [
  'io.containerd.internal.v1.opt',
  'io.containerd.nri.v1.nri',
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.erofs',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.tracing.processor.v1.otlp',
]

[grpc]
address = '{CONTAINERD_SOCKET}'

[ttrpc]
address = '{CONTAINERD_SOCKET}.ttrpc'

[{images}]
snapshotter = '{host.snapshotter}'

[{images}.pinned_images]
sandbox = '{oci.sandbox_reference(binaries["pause"])}'

[{runtime}]
netns_mounts_under_state_dir = true
restrict_oom_score_adj = true

[{runtime}.cni]
bin_dirs = ['{binaries["bridge"].parent}']
conf_dir = '{paths.config / "cni"}'

[{runtime}.containerd]
default_runtime_name = 'runc'

[{runtime}.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[{runtime}.containerd.runtimes.runc.options]
BinaryName = '{host.runc}'
SystemdCgroup = false
"""


def cni_config(endpoints: Endpoints) -> dict[str, Any]:
    bridge = {
        "type": "bridge",
        "bridge": link.BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "mtu": endpoints.node.mtu if endpoints.node else 1500,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": endpoints.pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/var/lib/cni/networks",
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "footplate", "plugins": [bridge, ports]}


def _kubelet(spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths, binary: Path) -> Component:
    config, kubeconfig = str(paths.config / "kubelet.yaml"), str(paths.component_kubeconfig("kubelet"))
    command = (
        str(binary),
        f"--config={config}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={spec.node_name}",
        f"--node-ip={endpoints.address}",
    )
    return Component(
        "kubelet",
        command,
        after=("kube-apiserver", "containerd"),
        check=Check("http", f"127.0.0.1:{KUBELET_HEALTH}", "/healthz"),
        # It keeps the tokens of pods: a new key of theirs makes them worthless.
        inputs=(config, kubeconfig, str(paths.certificate("kubelet")), str(paths.service_account_public_key)),
    )


def kubelet_config(spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths, cgroup: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": endpoints.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(paths.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(paths.certificate("kubelet")),
        "tlsPrivateKeyFile": str(paths.key("kubelet")),
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": KUBELET_HEALTH,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDomain": DOMAIN,
        "clusterDNS": [endpoints.pod_gateway],
        "resolvConf": str(paths.config / "resolv.conf"),
        "podLogsDir": str(paths.pod_logs),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # lowering it takes CAP_SYS_RESOURCE
        "maxPods": spec.max_pods,
        "kubeAPIQPS": spec.client_qps,
        "kubeAPIBurst": spec.client_qps * 2,
        "nodeStatusUpdateFrequency": "3s",  # until a GPU that fails is no longer offered
        "nodeStatusReportFrequency": "5m",  # written when nothing changed
        "nodeLeaseDurationSeconds": 40,
        # The machine's disk is its owner's affair, and an image that was loaded by hand could not be pulled again.
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "500Mi", "imagefs.available": "500Mi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "containerLogMaxSize": "20Mi",
    }


def _kube_proxy(paths: ClusterPaths, binary: Path) -> Component:
    config, kubeconfig = str(paths.config / "kube-proxy.yaml"), str(paths.component_kubeconfig("kube-proxy"))
    return Component(
        "kube-proxy",
        (str(binary), f"--config={config}"),
        after=("kube-apiserver",),
        check=Check("http", f"127.0.0.1:{PROXY_HEALTH}", "/livez"),
        inputs=(config, kubeconfig),
    )


def proxy_config(spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(paths.component_kubeconfig("kube-proxy"))},
        "hostnameOverride": spec.node_name,
        "mode": "iptables",
        "clusterCIDR": endpoints.pod_cidr,
        "iptables": {"minSyncPeriod": "0.1s"},  # a Service is new for that long; the default is a second
        "conntrack": {"maxPerCore": 0},  # a limit of the whole machine
        "oomScoreAdj": 0,
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH}",
        "metricsBindAddress": "127.0.0.1:10249",
    }


def _coredns(paths: ClusterPaths, binary: Path) -> Component:
    corefile, kubeconfig = str(paths.config / "Corefile"), str(paths.component_kubeconfig("coredns"))
    return Component(
        "coredns",
        (str(binary), "-conf", corefile),
        after=("kube-apiserver",),
        check=Check("http", f"127.0.0.1:{DNS_READY}", "/ready"),
        inputs=(corefile, kubeconfig),
    )


def corefile(endpoints: Endpoints, paths: ClusterPaths, host: Host) -> str:
    """Names of the cluster are never cached: the ranks of a job must find each other the moment they are there."""
    others = (
        f"forward . {' '.join(host.nameservers)}"
        if host.nameservers
        else "template ANY ANY {\n        rcode NXDOMAIN\n    }"
    )
    return f""".:53 {{
    bind {endpoints.pod_gateway}
    errors
    ready 127.0.0.1:{DNS_READY}
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {paths.component_kubeconfig("coredns")}
        pods insecure
        ttl 2
        fallthrough in-addr.arpa
    }}
    cache 30 {{
        disable success {DOMAIN}
        disable denial {DOMAIN}
    }}
    {others}
    loadbalance
}}
"""
