"""What goes wrong: each with a sentence that names it, and state that the next run can go on from."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from footplate.engine.errors import DeploymentFailed, Interrupted, StackLocked
from footplate.engine.events import Event, Op, StepWaiting
from footplate.errors import ClusterAccess

from .conftest import Lab


def claim(skip: str = "false") -> str:
    return f"""
    claim = k8s.core.v1.PersistentVolumeClaim(
        "claim",
        metadata={{
            "name": "claim",
            "namespace": NAMESPACE,
            "annotations": {{"pulumi.com/timeoutSeconds": version, "pulumi.com/skipAwait": "{skip}"}},
        }},
        spec={{
            "access_modes": ["ReadWriteOnce"],
            "storage_class_name": "nothing-provides-this",
            "resources": {{"requests": {{"storage": "1Gi"}}}},
        }},
    )
    config_map("after", name="after", opts=options(depends_on=[claim]))
    """


async def test_what_never_becomes_ready_is_given_up_with_the_reason(lab: Lab) -> None:
    lab.write(claim())
    with pytest.raises(DeploymentFailed, match="1 resource failed"):
        await lab.up("2")
    assert f"PersistentVolumeClaim {lab.namespace}/claim is Pending, not bound to a volume" in lab.errors()
    assert 'storageclass.storage.k8s.io "nothing-provides-this" not found' in lab.errors()
    assert "gave up after 2 s" in lab.errors()
    assert await lab.get("ConfigMap", "after") is None, "what depends on it was not started"
    assert "not bound" in lab.state("claim").init_errors[0]
    # The next run goes on waiting for it; told not to wait, it goes on.
    with pytest.raises(DeploymentFailed):
        await lab.up("1")
    lab.write(claim(skip="true"))
    await lab.up("1")
    assert lab.ops() == {"claim": Op.UPDATE, "after": Op.CREATE}
    assert lab.state("claim").init_errors == ()


async def test_a_deployment_says_what_its_pods_say(lab: Lab) -> None:
    lab.write(
        """
        k8s.apps.v1.Deployment(
            "web",
            metadata={"name": "web", "namespace": NAMESPACE},
            spec={
                "selector": {"match_labels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {
                        "node_selector": {"example.dev/no": "such-node"},
                        "containers": [{"name": "main", "image": "registry.invalid/web:1"}],
                    },
                },
            },
            opts=options(custom_timeouts=pulumi.CustomTimeouts(create="4s")),
        )
        """
    )
    with pytest.raises(DeploymentFailed):
        await lab.up()
    assert "has 0 of 1 pods available (pod web-" in lab.errors()
    assert "cannot be scheduled" in lab.errors()


async def test_a_quota_says_why_pods_are_not_made(lab: Lab) -> None:
    quotas = await lab.client.resource("v1", "ResourceQuota")
    none: dict[str, object] = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await lab.client.apply(quotas, none, namespace=lab.namespace, manager="test")
    lab.write(
        """
        k8s.apps.v1.Deployment(
            "web",
            metadata={"name": "web", "namespace": NAMESPACE, "annotations": {"pulumi.com/timeoutSeconds": "6"}},
            spec={
                "selector": {"match_labels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "main", "image": "registry.invalid/web:1"}]},
                },
            },
        )
        """
    )
    with pytest.raises(DeploymentFailed):
        await lab.up()
    assert "exceeded quota: none" in lab.errors()


async def test_an_object_the_server_refuses_is_named_with_the_field_before_anything_is_made(lab: Lab) -> None:
    lab.write(
        """
        config_map("fine", name="fine")
        config_map("wrong", name="Not_A_Name")
        """
    )
    with pytest.raises(DeploymentFailed, match="1 resource would fail"):
        await lab.up()
    assert "metadata.name" in lab.errors()
    assert "__main__.py:" in lab.errors()
    assert await lab.names("ConfigMap") == set()


async def test_a_namespace_that_is_not_there_is_named(lab: Lab) -> None:
    lab.write('k8s.core.v1.ConfigMap("a", metadata={"name": "a", "namespace": "nowhere-at-all"}, data={})')
    with pytest.raises(DeploymentFailed):
        await lab.up()
    assert "its namespace 'nowhere-at-all' does not exist" in lab.errors()
    assert "namespace=ns.metadata.name" in lab.errors()


async def test_a_kind_that_nobody_defines_is_named(lab: Lab) -> None:
    lab.write(
        """
        k8s.apiextensions.CustomResource(
            "thing", api_version="nobody.example.dev/v1", kind="Thing", metadata={"namespace": NAMESPACE}
        )
        """
    )
    with pytest.raises(DeploymentFailed):
        await lab.up()
    assert "serves no Thing in nobody.example.dev/v1" in lab.errors()


async def test_an_object_that_does_not_go_says_what_holds_it(lab: Lab) -> None:
    lab.write(
        """
        config_map(
            "held",
            name="held",
            finalizers=["example.dev/never"],
            opts=options(custom_timeouts=pulumi.CustomTimeouts(delete="2s")),
        )
        config_map("free", name="free")
        """
    )
    await lab.up()
    with pytest.raises(DeploymentFailed, match="1 resource failed"):
        await lab.stack().destroy(lab.observe)
    assert "its finalizers are not done: example.dev/never" in lab.errors()
    assert await lab.names("ConfigMap") == {"held"}, "the other one went all the same"
    maps = await lab.client.resource("v1", "ConfigMap")
    await lab.client.patch(maps, "held", {"metadata": {"finalizers": None}}, lab.namespace)
    await lab.stack().destroy(lab.observe)
    assert lab.stack().resources() == []


def kubeconfig(source: str, path: Path, *, server: str | None = None, token: str | None = None) -> str:
    config = yaml.safe_load(Path(source).read_text())
    if server:
        config["clusters"][0]["cluster"] = {"server": server}
    if token:
        config["users"][0]["user"] = {"token": token}
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_an_unreachable_cluster_is_named_once_and_nothing_is_lost(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write('config_map("a", name="a")\nconfig_map("b", name="b")\n')
    await lab.up()
    state = lab.stack().resources()
    elsewhere = kubeconfig(lab.environ["KUBECONFIG"], tmp_path / "elsewhere", server="https://127.0.0.1:9")
    monkeypatch.setenv("KUBECONFIG", elsewhere)
    with pytest.raises(ClusterAccess, match=r"https://127\.0\.0\.1:9 .*connection refused"):
        await lab.up("2")
    with pytest.raises(ClusterAccess):
        await lab.stack().destroy(lab.observe)
    assert lab.stack().resources() == state
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(ClusterAccess, match="does not exist or is empty"):
        await lab.preview()


async def test_credentials_that_are_not_accepted_are_named(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write('config_map("a", name="a")')
    expired = kubeconfig(lab.environ["KUBECONFIG"], tmp_path / "expired", token="expired")
    monkeypatch.setenv("KUBECONFIG", expired)
    with pytest.raises(ClusterAccess, match="did not accept the credentials"):
        await lab.up()


async def test_an_explicit_provider_takes_a_kubeconfig_by_path_or_content(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lab.environ["KUBECONFIG"]
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    lab.write(
        f"""
        path = {real!r}
        kubeconfig = path if version == "path" else open(path).read()
        provider = k8s.Provider("cluster", kubeconfig=kubeconfig, namespace=NAMESPACE)
        k8s.core.v1.ConfigMap("a", metadata={{"name": "a"}}, data={{}}, opts=options(provider=provider))
        """
    )
    await lab.up("path")
    before = await lab.get("ConfigMap", "a")
    assert before is not None, "the provider's namespace holds"
    await lab.up("content")
    assert await lab.get("ConfigMap", "a") == before, "another spelling of the same cluster replaces nothing"


async def test_two_runs_at_once_are_kept_apart(lab: Lab) -> None:
    lab.write(claim())
    waiting = asyncio.Event()

    def observe(event: Event) -> None:
        if isinstance(event, StepWaiting):
            waiting.set()

    first = asyncio.create_task(lab.stack(config={"version": "5"}).up(observe))
    await asyncio.wait_for(waiting.wait(), 20)
    with pytest.raises(StackLocked, match="`footplate up` of"):
        await lab.stack().destroy(lambda event: None)
    # Looking is allowed.
    await lab.stack(config={"version": "5"}).preview(lambda event: None)
    with pytest.raises(DeploymentFailed):
        await first


async def test_ctrl_c_finishes_what_runs_and_the_next_run_carries_on(lab: Lab) -> None:
    lab.write(claim() + '\n    config_map("early", name="early")\n')

    def press(event: Event) -> None:
        lab.observe(event)
        if isinstance(event, StepWaiting):
            os.kill(os.getpid(), signal.SIGINT)

    async with asyncio.timeout(30):
        with pytest.raises(Interrupted):
            await lab.stack(config={"version": "600"}).up(press)
    assert "stopped waiting" in lab.errors()
    assert lab.state("claim").id == f"{lab.namespace}/claim"
    assert lab.stack()._load().pending == []  # pyright: ignore[reportPrivateUsage]
    lab.write(claim(skip="true") + '\n    config_map("early", name="early")\n')
    await lab.up("600")
    assert await lab.names("ConfigMap") == {"after", "early"}


async def test_ctrl_c_twice_stops_at_once_and_the_state_says_what_was_under_way(lab: Lab) -> None:
    """The deletion hangs on a finalizer, so that it is certainly under way."""
    lab.write('config_map("held", name="held", finalizers=["example.dev/never"])\nconfig_map("free", name="free")\n')
    await lab.up()
    presses = 0

    def press(event: Event) -> None:
        nonlocal presses
        lab.observe(event)
        if presses < 2 and (isinstance(event, StepWaiting) or "stopping:" in str(event)):
            presses += 1
            os.kill(os.getpid(), signal.SIGINT)

    async with asyncio.timeout(30):
        with pytest.raises(Interrupted):
            await lab.stack().destroy(press)
    assert "held" in {r.urn.rpartition("::")[2] for r in lab.stack().resources()}
    maps = await lab.client.resource("v1", "ConfigMap")
    await lab.client.patch(maps, "held", {"metadata": {"finalizers": None}}, lab.namespace)
    await lab.stack().destroy(lab.observe)
    assert lab.stack().resources() == []


async def test_another_cluster_gets_all_of_it_anew(lab: Lab) -> None:
    """Another by its identifier; really the same one, where an object of a fixed name must survive the deletion of what
    was in the "old" cluster."""
    lab.write(
        """
        provider = k8s.Provider("cluster", cluster_identifier=version)
        config_map("generated", opts=options(provider=provider))
        config_map("fixed", name="fixed", opts=options(provider=provider))
        """
    )
    await lab.up("1")
    (first,) = await lab.names("ConfigMap") - {"fixed"}
    await lab.up("2")
    assert {name: lab.ops()[name] for name in ("cluster", "generated", "fixed")} == {
        "cluster": Op.REPLACE,
        "generated": Op.REPLACE,
        "fixed": Op.REPLACE,
    }
    (second,) = await lab.names("ConfigMap") - {"fixed"}
    assert first != second
    assert await lab.get("ConfigMap", "fixed") is not None
    assert not (await lab.up("2")).changed


async def test_a_cluster_that_is_too_old_is_named(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def version(request: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "21+", "gitVersion": "v1.21.0"})

    app = web.Application()
    app.router.add_get("/version", version)
    async with TestServer(app) as server:
        old = kubeconfig(lab.environ["KUBECONFIG"], tmp_path / "old", server=str(server.make_url("")).rstrip("/"))
        monkeypatch.setenv("KUBECONFIG", old)
        lab.write('config_map("a", name="a")')
        with pytest.raises(ClusterAccess, match=r"runs Kubernetes 1\.21"):
            await lab.up()
