"""The API server's refusals as what a person of the stack has to know: about one resource, or about the cluster."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from footplate.client.explain import explain
from footplate.engine.errors import ResourceFailed
from footplate.errors import ClusterAccess, FootplateError
from footplate.kube.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Invalid,
    KubeConfigError,
    KubeError,
    NotFound,
    Unauthorized,
    UnknownKind,
    Unreachable,
)


@asynccontextmanager
async def answered(doing: str) -> AsyncGenerator[None]:
    """Turns KubeErrors of its block into ClusterAccess, where no resource could do better, or ResourceFailed."""
    try:
        yield
    except KubeError as error:
        raise translated(error, doing) from error


def translated(error: KubeError, doing: str) -> FootplateError:
    match error:
        case KubeConfigError():
            return ClusterAccess(
                explain(error).message,
                "start a cluster on this machine with `footplate cluster start` (or all of the platform with `make up`), or "
                "set KUBECONFIG to the kubeconfig of yours",
            )
        case Unreachable() | Unauthorized():
            return explain(error)
        case UnknownKind():
            return ResourceFailed(str(error), "install what defines it first, or declare its CRD in the program")
        case NotFound() if error.details.get("kind") == "namespaces":
            name = error.details.get("name")
            return ResourceFailed(
                f"its namespace {name!r} does not exist",
                "refer to the Namespace resource (`namespace=ns.metadata.name`), so that it is created first",
            )
        case Invalid() | BadRequest():
            return ResourceFailed(explain(error, doing).message)
        case Conflict():
            return ResourceFailed(f"cannot {doing}: {error.message}")
        case ApiError():
            found = explain(error, doing)
            return ResourceFailed(found.message, found.remedy, uncertain=error.status >= 500)
        case _:
            return ResourceFailed(f"cannot {doing}: {error}")


def no_dry_run(error: ApiError) -> bool:
    """An admission webhook has side effects: what would come of the request cannot be told beforehand."""
    return isinstance(error, BadRequest) and "dry run" in error.message.lower()
