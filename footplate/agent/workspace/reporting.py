"""Sends one report to the collector, with the pod's own token."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import msgspec

from footplate.api.reports import PATH, Answer, Report

TIMEOUT = 10.0


class Unheard(Exception):  # noqa: N818 (a state, not an error)
    """Nobody took the report; the next one says it all again."""


def send(report: Report, environment: Mapping[str, str]) -> Answer:
    """Raises Unheard. The token is read each time: the kubelet renews it."""
    url = environment["FOOTPLATE_COLLECTOR"].rstrip("/") + PATH
    try:
        token = Path(environment["FOOTPLATE_TOKEN_FILE"]).read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, msgspec.json.encode(report), headers)
        # No proxy: the collector is in the cluster.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=TIMEOUT) as answer:
            return msgspec.json.decode(answer.read(4096), type=Answer)
    except urllib.error.HTTPError as error:
        with error:
            raise Unheard(f"the collector answers {error.code}: {error.read(500).decode(errors='replace')}") from error
    except (OSError, http.client.HTTPException, KeyError, msgspec.DecodeError) as error:
        raise Unheard(f"the collector does not take the report: {error}") from error
