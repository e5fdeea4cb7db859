import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler

import msgspec
import pytest

from footplate.api import WorkspaceSpec
from footplate.client.session import Session
from footplate.client.workspaces import differences
from footplate.errors import ClusterAccess, NotInstalled
from footplate.kube.connection import Connection
from footplate.kube.credentials import Identity, StaticCredentials


async def test_a_server_that_is_no_kubernetes_is_not_said_to_lack_footplate() -> None:
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        connection = Connection(address, "dev", StaticCredentials(Identity({}, None), "test"))
        async with Session(connection=connection) as session:
            with pytest.raises(ClusterAccess, match="is no Kubernetes API server") as refusal:
                await session.platform()
        assert not isinstance(refusal.value, NotInstalled)
    finally:
        server.shutdown()
        server.server_close()


def test_differences_are_in_words() -> None:
    data = [{"name": "d", "uri": "s3://b/x"}]
    wanted = msgspec.convert({"environment": "jupyter", "datasets": data, "env": {"A": "1"}}, WorkspaceSpec)
    assert differences(wanted, WorkspaceSpec(environment="jupyter")) == [
        ("datasets", "not set", "d (s3://b/x at /data/d)"),
        ("env", "not set", "A=1"),
    ]
