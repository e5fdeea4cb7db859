"""Clusters that cannot be used, each told apart."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from footplate.kube.client import Client
from footplate.kube.resource import Resource
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Platform, write_settings

LIST = ("workspace", "list")


def kubeconfig(path: Path, platform: Platform, **user: object) -> Path:
    document = yaml.safe_load(platform.kubeconfig.read_text())
    document["users"] = [{"name": entry["name"], "user": user} for entry in document["users"]]
    path.write_text(yaml.safe_dump(document))
    return path


def test_no_kubeconfig(footplate: Footplate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    for command in (LIST, ("job", "list"), ("environments",), ("workspace", "create"), ("doctor",)):
        failed = footplate(*command)
        assert failed.code == 6, command
        assert "o cluster is configured" in failed.err + failed.out
        assert "footplate cluster start" in failed.err + failed.out


def test_a_kubeconfig_that_is_not_there_or_no_kubeconfig(footplate: Footplate, tmp_path: Path) -> None:
    assert "nowhere does not exist" in footplate(*LIST, "--kubeconfig", str(tmp_path / "nowhere")).err
    (tmp_path / "bad").write_text("{")
    failed = footplate(*LIST, "--kubeconfig", str(tmp_path / "bad"))
    assert failed.code == 6
    assert "is not valid YAML" in failed.err


def test_a_context_that_is_not_there(footplate: Footplate, platform: Platform) -> None:
    failed = footplate(*LIST, "--context", "nonsense")
    assert failed.code == 6
    assert f"no context 'nonsense'; it has: {platform.context}" in failed.err


def test_a_token_that_is_not_accepted(footplate: Footplate, platform: Platform, tmp_path: Path) -> None:
    failed = footplate(*LIST, "--kubeconfig", str(kubeconfig(tmp_path / "config", platform, token="nonsense")))
    assert failed.code == 6
    assert "did not accept the credentials" in failed.err
    assert "nonsense" not in failed.err


def test_a_client_certificate_that_has_expired(footplate: Footplate, platform: Platform, tmp_path: Path) -> None:
    from base64 import b64encode

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    pki = platform.kubeconfig.parent / "pki"
    authority = x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes())
    signer = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None)
    key = serialization.load_pem_private_key((pki / "admin.key").read_bytes(), None)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ada")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())  # pyright: ignore[reportArgumentType]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1))
        .sign(signer, hashes.SHA256())  # pyright: ignore[reportArgumentType]
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    user = {
        "client-certificate-data": b64encode(pem).decode(),
        "client-key-data": b64encode((pki / "admin.key").read_bytes()).decode(),
    }
    failed = footplate(*LIST, "--kubeconfig", str(kubeconfig(tmp_path / "config", platform, **user)))
    assert failed.code == 6
    assert f"expired {now - timedelta(days=1):%Y-%m-%d}" in failed.err


def test_a_cluster_that_is_away(footplate: Footplate, platform: Platform, tmp_path: Path) -> None:
    document = yaml.safe_load(platform.kubeconfig.read_text())
    for entry in document["clusters"]:
        entry["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    failed = footplate(*LIST, "--kubeconfig", str(tmp_path / "config"))
    assert failed.code == 6
    assert "https://127.0.0.1:9" in failed.err
    assert "connection refused" in failed.err
    assert "footplate doctor" in failed.err


class _OldCluster(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"major": "1", "minor": "24+", "gitVersion": "v1.24.9"}).encode()
        known = self.path == "/version"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body if known else b'{"kind": "Status", "code": 404, "reason": "NotFound"}')

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def old_cluster(path: Path) -> Iterator[Path]:
    """A server that says of itself what an old API server says."""
    server = HTTPServer(("127.0.0.1", 0), _OldCluster)
    Thread(target=server.serve_forever, daemon=True).start()
    document = {
        "current-context": "old",
        "clusters": [{"name": "old", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "me", "user": {"token": "x"}}],
        "contexts": [{"name": "old", "context": {"cluster": "old", "user": "me"}}],
    }
    path.write_text(yaml.safe_dump(document))
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()


def test_a_kubernetes_that_is_too_old(footplate: Footplate, tmp_path: Path) -> None:
    with old_cluster(tmp_path / "config") as config:
        failed = footplate("job", "submit", "--image", "x:1", "--kubeconfig", str(config), "--", "true")
        assert failed.code == 6
        assert "The cluster runs Kubernetes 1.24; Footplate supports 1.30 to" in failed.err
        examined = footplate("doctor", "--kubeconfig", str(config))
        assert examined.code == 6
        assert "The cluster runs Kubernetes 1.24" in examined.out


def test_a_cluster_without_footplate(footplate: Footplate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTPLATE_SYSTEM_NAMESPACE", "no-such-namespace")
    for command in (LIST, ("job", "list"), ("workspace", "create", "demo", "-e", "jupyter")):
        failed = footplate(*command)
        assert failed.code == 6
        assert "Footplate is not installed on this cluster." in failed.err
        assert "footplate up" in failed.err
    examined = footplate("doctor")
    assert examined.code == 6
    assert "NO  platform" in examined.out


def test_several_teams_are_a_question_and_a_team_s_namespace_is_an_answer(
    footplate: Footplate, platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    platform.kube(lambda client: write_settings(client, platform, platform.team, "other"))
    try:
        asked = footplate(*LIST)
        assert asked.code == 2
        assert f"You are in several teams: {platform.team}, other. Which one?" in asked.err
        assert footplate(*LIST, "-t", platform.team).code == 0
        close = footplate(*LIST, "-t", "othr")
        assert close.code == 3
        assert "did you mean other?" in close.err
        monkeypatch.setenv("FOOTPLATE_TEAM", platform.team)
        assert footplate(*LIST).code == 0
        monkeypatch.delenv("FOOTPLATE_TEAM")
        document = yaml.safe_load(platform.kubeconfig.read_text())
        for entry in document["contexts"]:
            entry["context"]["namespace"] = platform.namespace
        (tmp_path / "config").write_text(yaml.safe_dump(document))
        assert footplate(*LIST, "--kubeconfig", str(tmp_path / "config")).code == 0
    finally:
        platform.kube(lambda client: write_settings(client, platform))


@pytest.fixture
def member(platform: Platform, tmp_path: Path) -> Path:
    """A kubeconfig of somebody who may use workspaces in the team's namespace, and read the platform's settings."""
    name = f"user-{secrets.token_hex(3)}"
    authorization = "rbac.authorization.k8s.io"
    role = Resource(authorization, "v1", "Role", "roles", True)
    binding = Resource(authorization, "v1", "RoleBinding", "rolebindings", True)

    async def grant(client: Client) -> None:
        for namespace, rule in (
            (platform.namespace, {"apiGroups": ["footplate.dev"], "resources": ["*"], "verbs": ["*"]}),
            (platform.system, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}),
        ):
            await client.apply(role, {"metadata": {"name": name, "namespace": namespace}, "rules": [rule]})
            reference = {"apiGroup": authorization, "kind": "Role", "name": name}
            subject = {"apiGroup": authorization, "kind": "User", "name": name}
            body = {"metadata": {"name": name, "namespace": namespace}, "roleRef": reference, "subjects": [subject]}
            await client.apply(binding, body)

    platform.kube(grant)
    user = yaml.safe_load(platform.kubeconfig.read_text())["users"][0]["user"]
    return kubeconfig(tmp_path / "member", platform, **user, **{"as": name})


def test_a_member_of_one_team_among_several_needs_not_name_it(
    footplate: Footplate, platform: Platform, member: Path
) -> None:
    platform.kube(lambda client: write_settings(client, platform, platform.team, "other"))
    try:
        mine = footplate(*LIST, "--kubeconfig", str(member))
        assert mine.code == 0, mine.err
        theirs = footplate(*LIST, "--kubeconfig", str(member), "-t", "other")
        assert theirs.code == 5
        assert "may not list workspaces in team-other" in theirs.err
    finally:
        platform.kube(lambda client: write_settings(client, platform))


def test_what_a_member_may_not_read_is_no_obstacle(footplate: Footplate, platform: Platform, member: Path) -> None:
    """Environments are not theirs to read here: the controllers have the last word on the name."""
    name = f"w{secrets.token_hex(3)}"
    made = footplate("workspace", "create", name, "-e", "jupyter", "--no-wait", "--kubeconfig", str(member))
    assert made.code == 0, made.err


def test_a_platform_that_describes_itself_in_other_words(footplate: Footplate, platform: Platform) -> None:
    from footplate.api.platform import CONFIG_MAP as NAME
    from footplate.client.kinds import CONFIG_MAP

    def write(data: dict[str, str]) -> None:
        platform.kube(lambda client: client.patch(CONFIG_MAP, NAME, {"data": data}, platform.system))

    write({"platform.json": '{"version": 2}'})
    try:
        failed = footplate(*LIST)
    finally:
        platform.kube(lambda client: write_settings(client, platform))
    assert failed.code == 6
    assert "describes itself in a way that this version of Footplate cannot read" in failed.err


def test_the_doctor_on_a_platform_that_is_well(footplate: Footplate, platform: Platform) -> None:
    examined = footplate("doctor", "-o", "json")
    findings = {row["check"]: row for row in json.loads(examined.out)}
    assert examined.code == 0, examined.out
    assert findings["cluster"]["detail"].startswith("Kubernetes 1.")
    assert "leads, outside of the cluster" in findings["controllers"]["detail"]
    assert "jupyter, pytorch" in findings["environments"]["detail"]
    assert findings["object store"]["detail"] == f"s3://footplate at {platform.store}"
    assert "× H100 on" in findings["GPU nodes"]["detail"]
    assert {row["verdict"] for row in findings.values()} <= {"ok", "warning", "skipped"}


def test_the_doctor_finds_a_bucket_that_is_missing(footplate: Footplate, platform: Platform) -> None:
    async def move(client: Client, uri: str) -> None:
        import msgspec

        from footplate.api.platform import CONFIG_MAP as NAME
        from footplate.client.kinds import CONFIG_MAP

        settings = msgspec.json.decode(platform.settings()["data"]["platform.json"])
        settings["teams"][0]["dataUri"] = uri
        data = {"platform.json": msgspec.json.encode(settings).decode()}
        await client.patch(CONFIG_MAP, NAME, {"data": data}, platform.system)

    platform.kube(lambda client: move(client, "s3://no-such-bucket/x"))
    try:
        examined = footplate("doctor")
    finally:
        platform.kube(lambda client: write_settings(client, platform))
    assert examined.code == 6
    [line] = [line for line in examined.out.splitlines() if "object store  " in line]
    assert line.startswith("NO ")
    assert line.endswith("Cannot reach the object store: the bucket s3://no-such-bucket does not exist.")
