from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

import footplate
from footplate.api.trainingjob import JobPhase
from footplate.api.workspace import WorkspacePhase
from footplate.errors import ClusterAccess, Conflict, JobCancelled, NotFound, Refused, TimedOut, WorkloadFailed
from tests.integration.cli.platform import Kubelet, Platform
from tests.integration.cli.played import PlayedJob, PlayedWorkspace


@pytest.fixture
def client() -> Iterator[footplate.Client]:
    with footplate.Client() as made:
        yield made


@pytest.fixture
def script(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "train.py").write_text("print('hello')\n")
    return folder / "train.py"


def later(step: object) -> threading.Thread:
    def run() -> None:
        sleep(0.5)
        step()  # pyright: ignore[reportCallIssue]

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_script_becomes_a_job(client: footplate.Client, platform: Platform, script: Path) -> None:
    wanted = footplate.TrainingJob(script, nodes=2, environment="pytorch", args=["--epochs", "3"], gpus=1)
    job = wanted.submit(client)
    assert job.name.startswith("digits-")
    spec = job.object.spec
    assert spec.command == ("python3", "train.py")
    assert spec.args == ("--epochs", "3")
    assert spec.nodes == 2
    assert spec.code is not None
    assert spec.code.uri.startswith(f"s3://footplate/teams/{platform.team}/code/")
    assert client.job(job.name) == job
    assert job in client.jobs()
    job.cancel()
    assert job.object.spec.cancelled
    job.delete()
    with pytest.raises(NotFound):
        _ = job.status


def test_it_works_where_an_event_loop_runs_as_in_a_notebook(script: Path) -> None:
    async def cell() -> str:
        job = footplate.TrainingJob(script, environment="pytorch").submit()
        try:
            return job.object.metadata.name
        finally:
            job.delete()

    assert asyncio.run(cell()).startswith("digits-")


def test_waiting_for_a_job(client: footplate.Client, kubelet: Kubelet) -> None:
    played = PlayedJob(kubelet)
    job = client.job(played.name)
    played.status("Queued", "Waits for 1 GPU.")
    said: list[str] = []
    with pytest.raises(TimedOut, match=r"Waits for 1 GPU\."):
        job.wait(0.5, report=said.append)
    assert said == ["Waits for 1 GPU."]
    ending = later(lambda: played.status("Succeeded", "It reached 97 %."))
    ended = job.wait(20)
    ending.join()
    assert (ended.phase, ended.message) == (JobPhase.SUCCEEDED, "It reached 97 %.")
    assert job.status.message == "It reached 97 %."


def test_a_job_that_failed_raises_where_it_is_asked_to(client: footplate.Client, kubelet: Kubelet) -> None:
    failed, cancelled = PlayedJob(kubelet), PlayedJob(kubelet)
    failed.status("Failed", "Exit code 1.")
    cancelled.status("Cancelled")
    assert client.job(failed.name).wait().phase is JobPhase.FAILED
    with pytest.raises(WorkloadFailed, match="failed: Exit code 1"):
        client.job(failed.name).wait(check=True)
    with pytest.raises(JobCancelled):
        client.job(cancelled.name).wait(check=True)


def test_logs_are_lines(client: footplate.Client, kubelet: Kubelet) -> None:
    kubelet.log.write_text("2026-01-01T00:00:01.000000000Z stdout F one\n2026-01-01T00:00:02.000000000Z stdout F two\n")
    played = PlayedJob(kubelet, nodes=2)
    for node in range(2):
        kubelet.end(played.pod(node), 0)
    played.status("Succeeded", attempts=[{"number": 1}])
    job = client.job(played.name)
    assert list(job.logs()) == ["node 0 | one", "node 1 | one", "node 0 | two", "node 1 | two"]
    assert list(job.logs(node=1, follow=True)) == ["one", "two"]
    first = job.logs()
    assert next(first) == "node 0 | one"
    first.close()  # pyright: ignore[reportAttributeAccessIssue]


def test_following_a_log_says_what_it_waits_for(
    client: footplate.Client, kubelet: Kubelet, capfd: pytest.CaptureFixture[str]
) -> None:
    played = PlayedJob(kubelet)
    played.status("Queued", "Waits for 1 GPU.")
    ending = later(lambda: played.status("Cancelled"))
    assert list(client.job(played.name).logs(follow=True)) == []
    ending.join()
    said = capfd.readouterr()
    assert said.err.splitlines()[0] == "Waits for 1 GPU."
    assert said.err.count("Waits for 1 GPU.") == 1
    assert said.out == ""


def test_a_workspace_from_a_notebook(client: footplate.Client, kubelet: Kubelet) -> None:
    played = PlayedWorkspace(kubelet)
    workspace = client.workspace(played.name)
    running = later(played.run)
    assert workspace.wait(20).phase is WorkspacePhase.RUNNING
    running.join()
    code, out, err = workspace.run("sh", "-c", "echo hello; echo no >&2")
    assert (code, out, err) == (0, b"hello\n", b"no\n")
    workspace.stop(wait=False)
    assert workspace.object.spec.desired_state == "Stopped"
    with pytest.raises(Conflict, match="was stopped"):
        workspace.wait(5)
    workspace.start()
    assert workspace.object.spec.desired_state == "Running"
    workspace.delete()
    assert workspace not in client.workspaces()


def test_a_workspace_is_made(client: footplate.Client) -> None:
    workspace = footplate.Workspace("mine", environment="jupyter", gpus=1, gpu_type="H100", home="0").create(client)
    spec = workspace.object.spec
    assert (spec.environment, spec.home.size, spec.owner) == ("jupyter", "0", "ada")
    assert spec.resources.gpu is not None
    assert spec.resources.gpu.type == "H100"
    with pytest.raises(Conflict, match="exists already"):
        footplate.Workspace("mine", environment="jupyter").create(client)
    workspace.delete()


def test_failures_are_sentences_with_a_remedy(client: footplate.Client, script: Path) -> None:
    with pytest.raises(Refused, match=r"spec\.nodes must be at least 1, not -1"):
        footplate.TrainingJob(script, environment="pytorch", nodes=-1).submit(client)
    with pytest.raises(NotFound) as raised:
        footplate.TrainingJob(script, environment="pytroch").submit(client)
    assert raised.value.remedy == "did you mean pytorch?"
    with pytest.raises(NotFound, match="There is no job nope"):
        client.job("nope")
    with pytest.raises(ClusterAccess, match="no context 'nope'"):
        footplate.Client(context="nope")


def test_environments_and_team(client: footplate.Client, platform: Platform) -> None:
    assert {"jupyter", "pytorch"} <= {environment.metadata.name for environment in client.environments()}
    assert client.team == platform.team


def test_a_client_that_goes_out_of_scope_closes_its_connections(platform: Platform) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = footplate.Client()
        assert made.team == platform.team
        del made
        gc.collect()
    assert [w for w in caught if issubclass(w.category, ResourceWarning) and "session" in str(w.message)] == []


def test_inside_a_workspace_the_service_account_and_its_team_count(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib.parse import urlsplit

    from footplate.kube import connection
    from footplate.kube.client import Client
    from footplate.kube.resource import Resource

    account = Resource("", "v1", "ServiceAccount", "serviceaccounts", True)
    binding = Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False)
    name = f"sdk-{platform.team}"

    async def token(client: Client) -> str:
        subject = {"kind": "ServiceAccount", "name": "workspace", "namespace": platform.namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        await client.apply(binding, {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]})
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
        path = account.path(platform.namespace, "workspace", "token")
        return (await client.request("POST", path, body=body))["status"]["token"]

    mounted = tmp_path / "serviceaccount"
    mounted.mkdir()
    (mounted / "token").write_text(platform.kube(token))
    (mounted / "namespace").write_text(platform.namespace)
    (mounted / "ca.crt").write_bytes(platform.connection.certificate_authority or b"")
    server = urlsplit(platform.connection.server)
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", server.hostname or "")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setenv("FOOTPLATE_TEAM", platform.team)
    monkeypatch.setattr(
        connection.load_connection,
        "__kwdefaults__",
        {**(connection.load_connection.__kwdefaults__ or {}), "service_account": mounted},
    )
    try:
        with footplate.Client() as client:
            assert client.team == platform.team
            assert isinstance(client.jobs(), list)
    finally:
        platform.kube(lambda client: client.delete(binding, name))
