"""Servers that speak the clouds' wire formats where no emulator does, for the real client libraries.

`AwsWire`: IAM's query protocol (SimulatePrincipalPolicy, GetRole) and Service Quotas' JSON (GetServiceQuota).
`GoogleWire`: the REST of Compute, Resource Manager and Service Usage, of which it answers what `answers` has by path.
Neither models authentication, paging, eventual consistency or any other operation; both can be told to fail.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROLE = "arn:aws:iam::123456789012:role/team/deployer"


@dataclass
class AwsWire:
    """`quotas`: code → vCPUs. `denied`: actions. `fails`: operation → error code."""

    quotas: Mapping[str, float] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    fails: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        if target := headers.get("X-Amz-Target"):
            return self._json(target.rpartition(".")[2], json.loads(body))
        form = parse_qs(body.decode())
        return self._query(form["Action"][0], form)

    def _json(self, operation: str, request: Mapping[str, Any]) -> tuple[int, str, bytes]:
        code = request["QuotaCode"]
        self.asked.append(code)
        failure = self.fails.get(operation) or ("NoSuchResourceException" if code not in self.quotas else "")
        if failure:
            return 400, "application/x-amz-json-1.1", json.dumps({"__type": failure, "message": "no"}).encode()
        quota = {"Quota": {"QuotaCode": code, "Value": self.quotas[code]}}
        return 200, "application/x-amz-json-1.1", json.dumps(quota).encode()

    def _query(self, operation: str, form: Mapping[str, list[str]]) -> tuple[int, str, bytes]:
        if failure := self.fails.get(operation):
            error = f"<ErrorResponse><Error><Code>{failure}</Code><Message>no</Message></Error></ErrorResponse>"
            return 403, "text/xml", error.encode()
        if operation == "GetRole":
            role = f"<Role><Path>/team/</Path><RoleName>deployer</RoleName><RoleId>R</RoleId><Arn>{ROLE}</Arn>"
            inner = f"{role}<CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>"
        else:
            actions = [value[0] for key, value in form.items() if key.startswith("ActionNames")]
            self.asked.append(form["PolicySourceArn"][0])
            inner = "<EvaluationResults>" + "".join(self._member(action) for action in actions) + "</EvaluationResults>"
        result = f"<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"
        return 200, "text/xml", result.encode()

    def _member(self, action: str) -> str:
        decision = "implicitDeny" if action in self.denied else "allowed"
        return f"<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision></member>"


@dataclass
class GoogleWire:
    """`answers`: end of the path (before a query) → JSON, or the status of a refusal."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        self.asked.append(path)
        found = next((a for end, a in self.answers.items() if urlsplit(path).path.endswith(end)), {})
        if isinstance(found, int):
            error = {"error": {"code": found, "message": "not for you", "status": "PERMISSION_DENIED"}}
            return found, "application/json", json.dumps(error).encode()
        return 200, "application/json", json.dumps(found).encode()


@contextmanager
def serving(wire: AwsWire | GoogleWire) -> Iterator[str]:
    """`host:port` where it answers."""

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = dict(self.headers)
            status, kind, body = wire.answer(self.command, self.path, headers, self.rfile.read(length))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _respond  # noqa: N815 (names of http.server)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
