"""The S3 gateway over a directory, its one bucket and its credentials."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from devcluster.addresses import Endpoints
from devcluster.paths import ClusterPaths
from devcluster.plan import Check, Component, write_atomically

BUCKET = "footplate"
REGION = "us-east-1"


class ObjectStore(msgspec.Struct, frozen=True, rename="camel"):
    """Where S3 clients find it, from the machine and from pods alike."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str
    bucket: str


def read(paths: ClusterPaths) -> ObjectStore | None:
    try:
        return msgspec.json.decode(paths.object_store.read_bytes(), type=ObjectStore)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def settle(endpoints: Endpoints, paths: ClusterPaths) -> ObjectStore:
    """Credentials are made once and stay for as long as the cluster; so does the bucket."""
    known = read(paths)
    store = ObjectStore(
        endpoint=endpoints.s3_url,
        region=REGION,
        access_key=known.access_key if known else f"FP{secrets.token_hex(9).upper()}",
        secret_key=known.secret_key if known else secrets.token_urlsafe(30),
        bucket=BUCKET,
    )
    if store != known:
        write_atomically(paths.object_store, msgspec.json.format(msgspec.json.encode(store)))
    for directory in (paths.objects / BUCKET, paths.object_attributes):
        directory.mkdir(parents=True, exist_ok=True)
    return store


def component(
    store: ObjectStore, endpoints: Endpoints, paths: ClusterPaths, binaries: Mapping[str, Path], *, attributes: bool
) -> Component:
    address = f"{endpoints.address}:{endpoints.s3}"
    command = (
        str(binaries["versitygw"]),
        f"--port={address}",
        f"--region={store.region}",
        "--quiet",
        "posix",
        *(() if attributes else (f"--sidecar={paths.object_attributes}",)),
        str(paths.objects),
    )
    credentials = {"ROOT_ACCESS_KEY": store.access_key, "ROOT_SECRET_KEY": store.secret_key}
    return Component("versitygw", command, check=Check("tcp", address), environment=credentials)
