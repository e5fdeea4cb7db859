"""Kubeconfig files with everything embedded, so that one may be copied elsewhere."""

from __future__ import annotations

import base64

import yaml

from devcluster.paths import ClusterPaths


def render(paths: ClusterPaths, server: str, context: str, identity: str) -> bytes:
    def embedded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "clusters": [
            {
                "name": context,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": embedded(paths.certificate("ca").read_bytes()),
                },
            }
        ],
        "users": [
            {
                "name": context,
                "user": {
                    "client-certificate-data": embedded(paths.certificate(identity).read_bytes()),
                    "client-key-data": embedded(paths.key(identity).read_bytes()),
                },
            }
        ],
    }
    return yaml.safe_dump(document, sort_keys=False).encode()
