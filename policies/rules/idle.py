"""Notebooks and workspaces that nobody uses end by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Resource, ResourceRule, Settings, Severity
from policies.values import at, is_unknown, may_be

WORKSPACE = "kubernetes:footplate.dev/v1alpha1:Workspace"
DOMAIN = "aws:sagemaker/domain:Domain"
COLAB = "gcp:colab/runtimeTemplate:RuntimeTemplate"
WORKBENCH = "gcp:workbench/instance:Instance"
_APPS = ("jupyterLabAppSettings", "codeEditorAppSettings")


def _endless(resource: Resource, _: Settings) -> Iterator[str]:
    properties = resource.properties
    if resource.type == WORKSPACE:
        stopped = may_be(at(properties, "spec.desiredState"), "Stopped")
        if at(properties, "spec.idle.timeout") is None and not stopped:
            yield "spec.idle.timeout is unset: it keeps its GPU while nobody uses it; set it, such as 2h"
    elif resource.type == DOMAIN:
        for app in _APPS:
            path = f"defaultUserSettings.{app}.appLifecycleManagement.idleSettings.lifecycleManagement"
            settings = at(properties, f"defaultUserSettings.{app}")
            if (settings is not None or app == _APPS[0]) and not may_be(at(properties, path), "ENABLED"):
                yield f"{path} is not ENABLED: set it, with idleTimeoutInMinutes"
    elif resource.type == COLAB:
        timeout = at(properties, "idleShutdownConfig.idleTimeout")
        if timeout == "0s":
            yield "idleShutdownConfig.idleTimeout is 0s: runtimes never stop by themselves; set a time, such as 7200s"
    else:
        timeout = at(properties, "gceSetup.metadata.idle-timeout-seconds")
        if not is_unknown(at(properties, "gceSetup.metadata")) and not timeout:
            yield "gceSetup.metadata[idle-timeout-seconds] is unset: set it, such as 7200"


IDLE_TIMEOUT = ResourceRule(
    name="idle-timeout",
    description="Workspaces and notebooks that nobody uses stop by themselves.",
    severity=Severity.MEDIUM,
    source="none",
    types=frozenset({WORKSPACE, DOMAIN, COLAB, WORKBENCH}),
    check=_endless,
    settings=Settings,
)

RULES = (IDLE_TIMEOUT,)
