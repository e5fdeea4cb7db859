"""JSON from the API server into values: whole dicts, or Structs that keep only the fields they declare."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from footplate.kube import errors
from footplate.kube.errors import ApiError
from footplate.kube.resource import Resource

Object = dict[str, Any]
T = TypeVar("T")

log = logging.getLogger(__name__)

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class Listing(Generic[T]):
    items: list[T]
    resource_version: str


@dataclass(frozen=True)
class Event(Generic[T]):
    """`type`: ADDED, MODIFIED, DELETED, or BOOKMARK (then `object` is None)."""

    type: str
    object: T
    resource_version: str
    initial_events_end: bool = False


class Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Bare(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)


class _Envelope(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    token: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct, Generic[T]):
    metadata: _ListMeta
    items: list[T] | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    items: list[T]
    resource_version: str
    token: str


@cache
def _decoder(type: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type)


@cache
def _list_decoder(type: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_List[type])


def decode(body: bytes | msgspec.Raw, type: type[T]) -> T:
    try:
        return _decoder(type).decode(body)
    except msgspec.DecodeError as error:
        raise _unreadable(bytes(body), type, error) from error


def decode_list(body: bytes, type: type[T], res: Resource) -> Page[T]:
    try:
        page = _list_decoder(type).decode(body)
    except msgspec.DecodeError as error:
        raise _unreadable(body, type, error) from error
    items: list[Any] = page.items or []
    if type in (dict, Object):
        # A list's items come without apiVersion and kind.
        items = [{"apiVersion": res.api_version, "kind": res.kind, **item} for item in items]
    return Page(items, page.metadata.resource_version, page.metadata.token)


async def watch_events(received: AsyncIterator[bytes], type: type[T]) -> AsyncGenerator[Event[T]]:
    async for line in received:
        if line:
            yield watch_event(line, type)


def watch_event(line: bytes, type: type[T]) -> Event[T]:
    """Raises the error that an ERROR event carries (Gone, most of all)."""
    envelope = decode(line, _Envelope)
    if envelope.type == "ERROR":
        raise errors.from_status(decode(envelope.object, errors.Status))
    metadata = decode(envelope.object, _Bare).metadata
    if envelope.type == "BOOKMARK":
        ended = (metadata.annotations or {}).get(INITIAL_EVENTS_END) == "true"
        return Event("BOOKMARK", None, metadata.resource_version, ended)  # pyright: ignore[reportReturnType]
    try:
        return Event(envelope.type, decode(envelope.object, type), metadata.resource_version)
    except ApiError as error:
        # One object of a form that we cannot read must not blind us to all others.
        log.error("%s passed over: %s", envelope.type, error)
        return Event("BOOKMARK", None, metadata.resource_version)  # pyright: ignore[reportReturnType]


def _unreadable(body: bytes, type: type[Any], error: Exception) -> ApiError:
    start = body[:120].decode(errors="replace")
    wanted = getattr(type, "__name__", str(type))
    return ApiError(0, "Undecodable", f"the answer is no {wanted}: {error}; it starts with: {start}")
