"""`footplate doctor --cloud` as a person without credentials, and one who mixes options up, meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NO_CREDENTIALS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    "CLOUDSDK_CONFIG": "/nowhere",
    "NO_GCE_CHECK": "true",
}


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GOOGLE_", "CLOUDSDK_"))}
    command = [sys.executable, "-m", "footplate.cli.main", "doctor", *arguments]
    environment = {**kept, **NO_CREDENTIALS, "HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "cloud"),
    [
        (["--cloud", "aws", "--region", "us-east-2"], "AWS"),
        (["--cloud", "aws", "--region", "us-east-2", "--leftovers", "gone"], "AWS"),
        (["--cloud", "gcp", "--project", "ml"], "Google Cloud"),
    ],
)
def test_without_credentials_one_finding_says_so(tmp_path: Path, arguments: list[str], cloud: str) -> None:
    done = run(tmp_path, *arguments, "-o", "json")
    assert done.returncode == 5, done.stderr
    failed = [finding for finding in json.loads(done.stdout) if finding["verdict"] == "failed"]
    assert len(failed) == 1
    assert f"there are no credentials for {cloud}" in failed[0]["detail"]
    assert failed[0]["remedy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--leftovers", "x"], "add --cloud aws or gcp"), (["--cloud", "aws"], "give --region or --stack")],
)
def test_what_is_missing_is_named(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
