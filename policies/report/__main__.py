"""`python -m policies.report [FILE…] --format text|json|sarif [--output FILE]`: exit code 1 where something must change."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from policies.report.reading import data, read
from policies.report.sarif import sarif
from policies.report.text import text


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m policies.report", description=__doc__)
    parser.add_argument("preview", nargs="*", help="what `footplate preview -o json` printed; stdin when left out")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    parser.add_argument("--output", type=Path, help="a file; stdout when left out")
    parser.add_argument("--root", default="", help="directory of the Pulumi project in its repository, for SARIF")
    given = parser.parse_args()
    try:
        reports = [read(_json(name)) for name in given.preview or ["-"]]
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    if given.format == "text":
        shown = "\n".join(text(report) for report in reports)
    elif given.format == "json":
        shown = _dumped([data(report) for report in reports] if len(reports) > 1 else data(reports[0]))
    else:
        shown = _dumped(sarif(reports, version(), root=given.root))
    if given.output is None:
        print(shown, end="")
    else:
        given.output.write_text(shown)
    return 1 if any(report.mandatory or report.error for report in reports) else 0


def version() -> str:
    manifest = Path(__file__).parent.parent / "PulumiPolicy.yaml"
    return str(yaml.safe_load(manifest.read_text())["version"])


def _json(name: str) -> dict[str, Any]:
    given: Any = json.loads(sys.stdin.read() if name == "-" else Path(name).read_text())
    if not isinstance(given, dict) or "policies" not in given:
        raise ValueError(f"{name} is not what `footplate preview --output json` prints")
    return given  # pyright: ignore[reportUnknownVariableType]


def _dumped(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
