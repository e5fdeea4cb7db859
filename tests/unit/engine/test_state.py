import asyncio
import hashlib
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from footplate.engine.crypter import Keyring
from footplate.engine.errors import StateUnreadable
from footplate.engine.state.codec import Codec
from footplate.engine.state.model import Deployment, Operation, PendingOperation, Resource
from footplate.engine.state.snapshot import Snapshot
from footplate.engine.state.store import StateFile, Writer
from footplate.engine.values import Secret

PROVIDER = "urn:pulumi:dev::shop::pulumi:providers:kubernetes::default_4_34_2"


def resource(name: str, *needs: str, **more: Any) -> Resource:
    return Resource(
        urn(name), True, "kubernetes:core/v1:ConfigMap", id=name, dependencies=tuple(urn(n) for n in needs), **more
    )


def urn(name: str) -> str:
    return f"urn:pulumi:dev::shop::kubernetes:core/v1:ConfigMap::{name}"


def codec(folder: Path) -> Codec:
    return Codec(Keyring(folder / "passphrase.json", {}), "v3.272.0")


def names(resources: Sequence[Resource]) -> list[str]:
    return [r.urn.rpartition("::")[2] for r in resources]


def test_the_file_is_what_pulumi_stack_import_takes(tmp_path: Path) -> None:
    known = resource("a", inputs={"token": Secret("hunter2")}, outputs={"n": 1}, protect=True)
    content = codec(tmp_path).encode([known], [PendingOperation(known, Operation.UPDATING)])
    document = json.loads(content)
    deployment = document["deployment"]
    assert document["version"] == 3
    assert deployment["manifest"]["magic"] == hashlib.sha256(b"v3.272.0").hexdigest()
    assert deployment["secrets_providers"]["type"] == "passphrase"
    (stored,) = deployment["resources"]
    assert stored["urn"] == urn("a")
    assert stored["custom"] is True
    assert stored["protect"] is True
    assert "delete" not in stored, "what is not set is left out, as Pulumi does"
    assert stored["inputs"]["token"]["ciphertext"].startswith("v1:")
    assert b"hunter2" not in content
    assert deployment["pending_operations"][0]["type"] == "updating"


def test_state_reads_back_as_it_was(tmp_path: Path) -> None:
    one = resource("a", inputs={"token": Secret({"x": [1, None]})}, property_dependencies={"data": (urn("b"),)})
    content = codec(tmp_path).encode([one], [])
    again = codec(tmp_path).decode(content, "here")
    assert again.resources == [one]


def test_a_state_of_the_pulumi_cli_reads_with_what_this_engine_does_not_use(tmp_path: Path) -> None:
    """Cut from a `pulumi stack export`: nulls, a stack trace, and properties in places of their own."""
    exported = {
        "version": 3,
        "deployment": {
            "manifest": {
                "time": "2026-01-01T00:00:00Z",
                "magic": "m",
                "version": "v3.250.0",
                "plugins": [{"name": "kubernetes"}],
            },
            "secrets_providers": {"type": "passphrase", "state": {"salt": "v1:c2FsdA==:v1:a:b"}},
            "resources": [
                {
                    "urn": urn("a"),
                    "custom": True,
                    "id": "default/a",
                    "type": "kubernetes:core/v1:ConfigMap",
                    "inputs": {"metadata": {"name": "a"}},
                    "provider": f"{PROVIDER}::1",
                    "propertyDependencies": {"data": None, "metadata": []},
                    "customTimeouts": {"create": 60},
                    "sourcePosition": "project:///__main__.py#3",
                    "stackTrace": [{"sourcePosition": "project:///__main__.py#3"}],
                    "created": "2026-01-01T00:00:00Z",
                }
            ],
            "metadata": {},
        },
    }
    (found,) = codec(tmp_path).decode(json.dumps(exported).encode(), "here").resources
    assert found.custom_timeouts is not None
    assert found.custom_timeouts.create == 60
    assert found.needs == (PROVIDER,)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"version": 4, "deployment": {}}', "version 4"), (b"{nonsense", "is damaged"), (b"", "is damaged")],
)
def test_what_cannot_be_read_is_not_overwritten_but_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(StateUnreadable, match=message):
        StateFile(path, codec(tmp_path)).load()
    assert path.read_bytes() == content


def test_new_resources_stand_before_what_remains_of_the_old() -> None:
    old = [resource("a"), resource("b", "a"), resource("c", "b")]
    snapshot = Snapshot(old)
    snapshot.put(resource("a", outputs={"n": 2}), old[0])
    snapshot.put(resource("d", "a"))
    assert names(snapshot.resources()) == ["a", "d", "b", "c"]
    assert names(snapshot.remaining) == ["b", "c"]


def test_references_to_a_renamed_resource_follow_it() -> None:
    old = [resource("a"), resource("b", "a", parent=urn("a"), deleted_with=urn("a"), provider=f"{urn('a')}::id")]
    snapshot = Snapshot(old)
    snapshot.put(resource("z"), old[0])
    stale = snapshot.resources()[1]
    assert stale.needs == (urn("z"),)
    assert stale.provider == f"{urn('z')}::id"


def test_a_replaced_resource_stays_until_it_is_deleted() -> None:
    old = [resource("a")]
    snapshot = Snapshot(old)
    snapshot.replace(old[0], msgspec.structs.replace(old[0], delete=True))
    snapshot.put(resource("a", outputs={"n": 2}))
    assert [r.delete for r in snapshot.resources()] == [False, True]
    snapshot.forget(snapshot.remaining[0])
    assert [r.delete for r in snapshot.resources()] == [False]


def test_what_is_being_attempted_is_in_the_state_until_it_ends() -> None:
    snapshot = Snapshot([])
    token = snapshot.begin(resource("a"), Operation.CREATING)
    assert [(p.resource.urn, p.type) for p in snapshot.pending] == [(urn("a"), Operation.CREATING)]
    snapshot.end(token)
    assert snapshot.pending == []


async def test_every_commit_is_on_disk_when_it_returns_and_many_share_a_write(tmp_path: Path) -> None:
    count, writes = 0, 0
    path = tmp_path / "deep" / "state.json"

    def content() -> bytes:
        nonlocal writes
        writes += 1
        return str(count).encode()

    writer = Writer(path, content)

    async def one() -> None:
        nonlocal count
        count += 1
        mine = count
        await writer.commit()
        assert int(path.read_bytes()) >= mine

    await asyncio.gather(*(one() for _ in range(50)))
    assert path.read_bytes() == b"50"
    assert writes < 10
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["state.json"]


async def test_a_write_that_fails_fails_those_who_wait_for_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.mkdir()
    with pytest.raises(OSError, match=r"directory"):
        await Writer(path, lambda: b"x").commit()


def test_an_empty_deployment_is_no_state() -> None:
    assert Deployment().resources == []
