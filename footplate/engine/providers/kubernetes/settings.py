"""The configuration of a `kubernetes.Provider`, and the connection it stands for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import yaml

from footplate.engine.errors import Unsupported, cli_remedy
from footplate.engine.values import Properties, Unknown, has_unknown, plain
from footplate.kube import Connection, load_connection

_IDENTITY: Final = ("kubeconfig", "context", "cluster")


@dataclass(frozen=True)
class Settings:
    kubeconfig: str = ""
    """A path, or the content of a kubeconfig; empty: the ambient one."""
    context: str = ""
    namespace: str = ""
    cluster_identifier: str = ""
    mutable_config_maps: bool = False
    mutable_secrets: bool = False
    upsert: bool = False
    delete_unreachable: bool = False

    def connection(self) -> Connection:
        """Raises KubeConfigError."""
        context = self.context or None
        if not self.kubeconfig:
            return load_connection(context=context)
        if os.pathsep in self.kubeconfig and not is_content(self.kubeconfig):
            # The SDK fills in KUBECONFIG, which may name several files.
            return load_connection(context=context, environ={**os.environ, "KUBECONFIG": self.kubeconfig})
        if not is_content(self.kubeconfig):
            return load_connection(Path(self.kubeconfig).expanduser(), context)
        with tempfile.TemporaryDirectory(prefix="kubeconfig-") as folder:
            path = Path(folder) / "kubeconfig"
            path.touch(mode=0o600)
            path.write_text(self.kubeconfig)
            return load_connection(path, context)


def is_content(kubeconfig: str) -> bool:
    return "\n" in kubeconfig or kubeconfig.lstrip().startswith("{")


def settings_of(inputs: Properties, environ: Mapping[str, str] = os.environ) -> Settings | None:
    """None while the inputs are not known (a cluster that the same update creates)."""
    values: dict[str, Any] = plain(inputs)
    if has_unknown([values.get(key) for key in _IDENTITY]):
        return None
    for key in ("renderYamlToDirectory", "alwaysRender", "cluster"):
        if values.get(key) not in (None, "", False, "false"):
            raise Unsupported(f"the Kubernetes provider's {key} is not supported", cli_remedy("footplate up"))
    if not _flag(values, "enableServerSideApply", "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", environ, default=True):
        raise Unsupported(
            "enableServerSideApply is false: this engine applies on the server", cli_remedy("footplate up")
        )
    return Settings(
        kubeconfig=str(values.get("kubeconfig") or ""),
        context=str(values.get("context") or ""),
        namespace=str(values.get("namespace") or "") if values.get("namespace") is not Unknown else "",
        cluster_identifier=str(values.get("clusterIdentifier") or ""),
        mutable_config_maps=_flag(values, "enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", environ),
        mutable_secrets=_flag(values, "enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE", environ),
        upsert=_flag(values, "upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS", environ),
        delete_unreachable=_flag(values, "deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE", environ),
    )


def _flag(
    values: Mapping[str, Any], key: str, variable: str, environ: Mapping[str, str], *, default: bool = False
) -> bool:
    given = values.get(key)
    if given is None or given == "":
        given = environ.get(variable, default)
    return given is True or str(given).lower() in ("true", "1", "t")


def forces_replacement(old: Properties, new: Properties) -> list[str]:
    """The keys whose change means another cluster: the active cluster's entry differs, or the identifier does.

    With `clusterIdentifier` set and unchanged, nothing else counts. Identity of a cluster is not something Kubernetes
    tells, so this is the best guess, and pulumi-kubernetes's.
    """
    before: dict[str, Any] = plain(old)
    after: dict[str, Any] = plain(new)
    identifier = "clusterIdentifier"
    if before.get(identifier) and after.get(identifier):
        return [identifier] if before[identifier] != after[identifier] else []
    changed = [key for key in _IDENTITY if before.get(key) != after.get(key)]
    if any(after.get(key) is Unknown for key in changed):
        return changed
    if not changed:
        return []
    one, other = _active_cluster(before), _active_cluster(after)
    return changed if one is not None and other is not None and one != other else []


def _active_cluster(values: Mapping[str, Any]) -> Any:
    """The `clusters` entry that the configuration selects; None where that cannot be told."""
    kubeconfig = str(values.get("kubeconfig") or "")
    if not kubeconfig:
        return None
    try:
        text = kubeconfig if is_content(kubeconfig) else Path(kubeconfig).expanduser().read_text()
        document: Any = yaml.safe_load(text)
    except (OSError, yaml.YAMLError):
        return None
    if not isinstance(document, dict):
        return None
    config = cast(dict[str, Any], document)
    name = values.get("context") or config.get("current-context")
    context = _named(config.get("contexts"), name, "context")
    return _named(config.get("clusters"), context.get("cluster"), "cluster") or None


def _named(entries: Any, name: Any, key: str) -> dict[str, Any]:
    for entry in cast(list[dict[str, Any]], entries) if isinstance(entries, list) else []:
        if entry.get("name") == name and isinstance(entry.get(key), dict):
            return cast(dict[str, Any], entry[key])
    return {}
