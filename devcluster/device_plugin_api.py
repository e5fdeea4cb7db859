"""Messages of the kubelet's device plugin API, declared by hand: those fields that a plugin without real devices uses.

Source: k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1/api.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "v1beta1"
VERSION = "v1beta1"  # of RegisterRequest
DIRECTORY = "/var/lib/kubelet/device-plugins"
KUBELET_SOCKET = f"{DIRECTORY}/kubelet.sock"
HEALTHY, UNHEALTHY = "Healthy", "Unhealthy"

# Message → field → (number, type): a scalar, another message, `…*` for repeated, `map` for map<string, string>.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Empty": {},
    "DevicePluginOptions": {},
    "RegisterRequest": {
        "version": (1, "string"),
        "endpoint": (2, "string"),
        "resource_name": (3, "string"),
        "options": (4, "DevicePluginOptions"),
    },
    "Device": {"ID": (1, "string"), "health": (2, "string")},
    "ListAndWatchResponse": {"devices": (1, "Device*")},
    "ContainerAllocateRequest": {"devices_ids": (1, "string*")},
    "AllocateRequest": {"container_requests": (1, "ContainerAllocateRequest*")},
    "Mount": {"container_path": (1, "string"), "host_path": (2, "string"), "read_only": (3, "bool")},
    "ContainerAllocateResponse": {"envs": (1, "map"), "mounts": (2, "Mount*")},
    "AllocateResponse": {"container_responses": (1, "ContainerAllocateResponse*")},
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="footplate/deviceplugin.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, field, number, kind)
    return file


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    field = descriptor_pb2.FieldDescriptorProto
    label = field.LABEL_REPEATED if kind.endswith("*") or kind == "map" else field.LABEL_OPTIONAL
    if kind == "map":
        entry = f"{name.title()}Entry"
        nested = message.nested_type.add(name=entry, options=descriptor_pb2.MessageOptions(map_entry=True))
        _add_field(nested, "key", 1, "string")
        _add_field(nested, "value", 2, "string")
        target = f".{PACKAGE}.{message.name}.{entry}"
    else:
        target = f".{PACKAGE}.{kind.removesuffix('*')}"
    if kind == "bool":
        message.field.add(name=name, number=number, label=label, type=field.TYPE_BOOL)
    elif kind.removesuffix("*") == "string":
        message.field.add(name=name, number=number, label=label, type=field.TYPE_STRING)
    else:
        message.field.add(name=name, number=number, label=label, type=field.TYPE_MESSAGE, type_name=target)


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())  # pyright: ignore[reportUnknownMemberType]


def message(name: str) -> Any:
    """The class of a message; its fields are known at run time only."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
