"""Stands in for the `pulumi` executable, as far as the Automation API goes through it.

Models: the commands and arguments that the Automation API sends (`version`, `stack init|select|output|export|import|
history`, `preview`, `up`, `destroy`, `refresh`), engine events streamed to `--event-log tcp://…` in the real JSON form,
exit codes, and the words of stderr that the API tells errors by.

Does not model: running the program, plugins, a backend, diffs, secrets (a value under `secret:` in its file is shown as
`[secret]`), interactive questions. What it "does" is written by the test in `PULUMI_STAND_IN/scenario.json`; what it was
asked is logged in `PULUMI_STAND_IN/calls.jsonl`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import events_pb2, events_pb2_grpc

HOME = Path(os.environ["PULUMI_STAND_IN"])
KEPT = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE")


def main(arguments: list[str]) -> int:
    if arguments == ["version"]:
        print("v3.272.0")
        return 0
    scenario: dict[str, Any] = json.loads((HOME / "scenario.json").read_text())
    words = [argument for argument in arguments if not argument.startswith("-")]
    config_file = option(arguments, "--config-file")
    call = {
        "arguments": arguments,
        "environment": {name: os.environ[name] for name in KEPT if name in os.environ},
        "config": Path(config_file).read_text() if config_file else None,
    }
    with (HOME / "calls.jsonl").open("a") as log:
        log.write(json.dumps(call) + "\n")
    if words[0] == "stack":
        return stack(words[1], arguments)
    operation = f"{words[0]} preview" if "--preview-only" in arguments else words[0]
    found = scenario[operation]
    if address := option(arguments, "--event-log"):
        send(address.removeprefix("tcp://"), found["events"])
    print(found.get("stderr", ""), file=sys.stderr)
    return int(found.get("code", 0))


def stack(command: str, arguments: list[str]) -> int:
    """State is one file; a stack exists once it was initialized."""
    state = HOME / "stack.json"
    if command == "init":
        state.write_text(json.dumps({"version": 3, "deployment": {}}))
        return 0
    if not state.exists():
        print(f"error: no stack named '{option(arguments, '--stack')}' found", file=sys.stderr)
        return 255
    if command == "import":
        state.write_text(Path(option(arguments, "--file") or "").read_text())
    elif command == "export":
        print(state.read_text())
    elif command == "history":
        print(
            '[{"kind": "update", "startTime": "2026-01-01T00:00:00.000Z", "message": "", "environment": {}, "config": {}, "result": "succeeded", "endTime": "2026-01-01T00:00:01.000Z", "version": 1}]'
        )
    elif command == "output":
        outputs: dict[str, Any] = json.loads((HOME / "scenario.json").read_text()).get("outputs", {})
        reveal = "--show-secrets" in arguments
        print(json.dumps({key: shown(value, reveal) for key, value in outputs.items()}))
    return 0


def shown(value: Any, reveal: bool) -> Any:
    if isinstance(value, dict) and set(value) == {"secret"}:
        return value["secret"] if reveal else "[secret]"
    return value


def option(arguments: list[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


def send(address: str, events: list[dict[str, Any]]) -> None:
    with grpc.insecure_channel(address) as channel:
        requests = (
            events_pb2.EventRequest(event=json.dumps({"sequence": i, "timestamp": 0, **event}))
            for i, event in enumerate(events)
        )
        events_pb2_grpc.EventsStub(channel).StreamEvents(requests)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
