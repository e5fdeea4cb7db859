"""Where the platform is brought up: the embedded cluster, or one that a kubeconfig names."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from footplate.client.target import Target, data_directory, embedded_name, resolve


@dataclass(frozen=True)
class Site:
    """`embedded`: name of the embedded cluster, None for another. `target`: how to reach it."""

    embedded: str | None
    target: Target


def choose(target: Target, cluster: str, environ: Mapping[str, str] = os.environ) -> Site:
    """Flags, then FOOTPLATE_CONTEXT and KUBECONFIG, else the embedded `cluster`, which need not exist yet."""
    chosen = resolve(target, environ, embedded=cluster)
    named = target != Target() or environ.get("FOOTPLATE_CONTEXT") or environ.get("KUBECONFIG")
    embedded = embedded_name(chosen, environ)
    if embedded is None and not named:
        embedded = cluster
    if embedded is not None:
        kubeconfig = data_directory(environ) / "clusters" / embedded / "kubeconfig"
        return Site(embedded, Target(kubeconfig, f"footplate-{embedded}"))
    return Site(None, chosen)


def stack_config(
    site: Site, stack_file: Path, registry: str | None, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Values that take the place of the stack file's for this run."""
    found = {"footplate:cluster": site.embedded} if site.embedded else {}
    if site.target.kubeconfig:
        found["footplate:kubeconfig"] = str(site.target.kubeconfig)
    if site.target.context:
        found["footplate:context"] = site.target.context
    if registry:
        found["footplate:imageRegistry"] = registry
    if site.embedded is None and not _names_store(stack_file):
        found |= _store_keys(data_directory(environ) / "object-store-keys" / f"{site.target.context or 'default'}.json")
    return found


def _names_store(stack_file: Path) -> bool:
    try:
        document: Any = yaml.safe_load(stack_file.read_text()) or {}
    except (OSError, yaml.YAMLError):
        return False  # the engine says what is wrong with it
    config: dict[str, Any] = document.get("config") or {}
    store: dict[str, Any] = config.get("footplate:objectStore") or {}
    return bool(store.get("uri") or config.get("footplate:objectStoreAccessKey"))


def _store_keys(file: Path) -> dict[str, str]:
    """Of the object store that is made in a cluster which has none: invented once, kept for the next run."""
    if not file.exists():
        keys = {"accessKey": secrets.token_hex(10), "secretKey": secrets.token_urlsafe(30)}
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".new")
        partial.touch(mode=0o600)
        partial.write_bytes(msgspec.json.encode(keys))
        partial.replace(file)
    keys = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    return {
        "footplate:objectStoreAccessKey": keys["accessKey"],
        "footplate:objectStoreSecretKey": keys["secretKey"],
    }
