"""etcd and the Kubernetes control plane: their arguments and files, computed from the spec and the addresses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from devcluster.addresses import Endpoints
from devcluster.paths import ClusterPaths
from devcluster.plan import Check, Component
from devcluster.spec import ClusterSpec

# Writes only: enough to count them by user agent, little enough to keep. Leases and events are kept apart by resource.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "omitManagedFields": True,
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata"},
    ],
}


def files(paths: ClusterPaths) -> dict[Path, bytes]:
    return {paths.config / "audit-policy.yaml": yaml.safe_dump(AUDIT_POLICY).encode()}


def components(
    spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths, binaries: Mapping[str, Path]
) -> list[Component]:
    return [
        _etcd(endpoints, paths, binaries["etcd"]),
        _api_server(spec, endpoints, paths, binaries["kube-apiserver"]),
        _controller_manager(spec, endpoints, paths, binaries["kube-controller-manager"]),
        _scheduler(spec, endpoints, paths, binaries["kube-scheduler"]),
    ]


def feature_gates(spec: ClusterSpec) -> tuple[str, ...]:
    gates = ",".join(f"{name}={str(on).lower()}" for name, on in sorted(spec.feature_gates.items()))
    return (f"--feature-gates={gates}",) if gates else ()


def _etcd(endpoints: Endpoints, paths: ClusterPaths, binary: Path) -> Component:
    client, peer = f"https://127.0.0.1:{endpoints.etcd}", f"http://127.0.0.1:{endpoints.etcd_peer}"
    command = (
        str(binary),
        "--name=etcd",
        f"--data-dir={paths.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=etcd={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={paths.certificate('ca')}",
        f"--cert-file={paths.certificate('etcd')}",
        f"--key-file={paths.key('etcd')}",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=30m",
        "--quota-backend-bytes=4294967296",
        "--snapshot-count=10000",
        "--log-level=warn",
        # A killed etcd loses nothing by this (the page cache survives); only a machine that loses power could.
        *(("--unsafe-no-fsync",) if endpoints.loopback else ()),
    )
    check = Check("https", f"127.0.0.1:{endpoints.etcd}", "/health")
    return Component(
        "etcd", command, check=check, inputs=(str(paths.certificate("etcd")), str(paths.certificate("ca")))
    )


def _api_server(spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths, binary: Path) -> Component:
    bind = "127.0.0.1" if endpoints.loopback else "0.0.0.0"
    command = (
        str(binary),
        f"--bind-address={bind}",
        f"--secure-port={endpoints.api}",
        f"--advertise-address={endpoints.address}",
        # Loopback addresses are refused in Endpoints, and no pod of the api profile could use them.
        *(("--endpoint-reconciler-type=none",) if endpoints.loopback else ()),
        f"--etcd-servers=https://127.0.0.1:{endpoints.etcd}",
        f"--etcd-cafile={paths.certificate('ca')}",
        f"--etcd-certfile={paths.certificate('apiserver')}",
        f"--etcd-keyfile={paths.key('apiserver')}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={paths.certificate('ca')}",
        f"--tls-cert-file={paths.certificate('apiserver')}",
        f"--tls-private-key-file={paths.key('apiserver')}",
        f"--service-cluster-ip-range={endpoints.service_cidr}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={paths.service_account_public_key}",
        f"--service-account-signing-key-file={paths.key('service-account')}",
        f"--kubelet-certificate-authority={paths.certificate('ca')}",
        f"--kubelet-client-certificate={paths.certificate('apiserver-kubelet-client')}",
        f"--kubelet-client-key={paths.key('apiserver-kubelet-client')}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--proxy-client-cert-file={paths.certificate('front-proxy-client')}",
        f"--proxy-client-key-file={paths.key('front-proxy-client')}",
        f"--requestheader-client-ca-file={paths.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--audit-policy-file={paths.config / 'audit-policy.yaml'}",
        f"--audit-log-path={paths.audit_log}",
        "--audit-log-maxsize=128",
        "--audit-log-maxbackup=4",
        "--max-requests-inflight=1600",
        "--max-mutating-requests-inflight=800",
        "--event-ttl=2h",
        "--shutdown-delay-duration=0s",
        *(f"--runtime-config={version}=true" for version in spec.api_versions),
        *feature_gates(spec),
    )
    inputs = ("apiserver", "apiserver-kubelet-client", "front-proxy-client", "ca", "front-proxy-ca")
    return Component(
        "kube-apiserver",
        command,
        after=("etcd",),
        check=Check("https", f"{endpoints.address}:{endpoints.api}", "/readyz"),
        inputs=(
            *(str(paths.certificate(name)) for name in inputs),
            str(paths.config / "audit-policy.yaml"),
            str(paths.service_account_public_key),
        ),
        stop_seconds=8.0,
    )


def _controller_manager(spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths, binary: Path) -> Component:
    kubeconfig = paths.component_kubeconfig("controller-manager")
    command = (
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={endpoints.controller_manager}",
        f"--tls-cert-file={paths.certificate('controller-manager')}",
        f"--tls-private-key-file={paths.key('controller-manager')}",
        f"--client-ca-file={paths.certificate('ca')}",
        f"--root-ca-file={paths.certificate('ca')}",
        f"--cluster-signing-cert-file={paths.certificate('ca')}",
        f"--cluster-signing-key-file={paths.key('ca')}",
        f"--service-account-private-key-file={paths.key('service-account')}",
        "--use-service-account-credentials=true",
        "--controllers=*,bootstrap-signer-controller,token-cleaner-controller",
        f"--cluster-cidr={endpoints.pod_cidr}",
        f"--service-cluster-ip-range={endpoints.service_cidr}",
        "--allocate-node-cidrs=false",
        "--leader-elect=false",
        f"--kube-api-qps={spec.client_qps}",
        f"--kube-api-burst={spec.client_qps * 2}",
        "--concurrent-job-syncs=20",
        "--node-monitor-grace-period=40s",
        *feature_gates(spec),
    )
    check = Check("https", f"127.0.0.1:{endpoints.controller_manager}", "/healthz")
    return Component(
        "kube-controller-manager",
        command,
        after=("kube-apiserver",),
        check=check,
        inputs=(str(kubeconfig), str(paths.service_account_public_key)),
    )


def _scheduler(spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths, binary: Path) -> Component:
    kubeconfig = paths.component_kubeconfig("scheduler")
    command = (
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={endpoints.scheduler}",
        f"--tls-cert-file={paths.certificate('scheduler')}",
        f"--tls-private-key-file={paths.key('scheduler')}",
        f"--client-ca-file={paths.certificate('ca')}",
        "--leader-elect=false",
        f"--kube-api-qps={spec.client_qps}",
        f"--kube-api-burst={spec.client_qps * 2}",
        *feature_gates(spec),
    )
    check = Check("https", f"127.0.0.1:{endpoints.scheduler}", "/healthz")
    return Component("kube-scheduler", command, after=("kube-apiserver",), check=check, inputs=(str(kubeconfig),))
