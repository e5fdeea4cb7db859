import errno

import pytest
import typer

from footplate import errors
from footplate.cli.exit_codes import ExitCode, run
from footplate.kube.errors import Unreachable


def raising(error: BaseException):
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FootplateError("no"), 1),
        (errors.WorkloadFailed("it died"), 1),
        (errors.BadUsage("no"), 2),
        (errors.NotFound("no"), 3),
        (errors.Conflict("no"), 4),
        (errors.Refused("no"), 5),
        (errors.ClusterAccess("no"), 6),
        (errors.NotInstalled("no"), 6),
        (errors.TimedOut("no"), 7),
        (errors.JobCancelled("no"), 8),
        (errors.MachineLacks("no"), 9),
        (OSError(errno.ENOSPC, "No space left on device"), 9),
        (PermissionError(errno.EACCES, "Permission denied", "/data/lock"), 9),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_kind_of_failure_has_its_code(error: BaseException, code: int) -> None:
    assert run(raising(error)) == code


def test_a_failure_is_one_line_with_a_remedy_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    run(raising(errors.NotFound("There is no job digits.", "see `footplate job list`")))
    shown = capsys.readouterr()
    assert shown.err == "error: There is no job digits.\nhint: see `footplate job list`\n"
    assert shown.out == ""


def test_what_others_wrote_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    run(raising(errors.Refused("a\x1b[31mred\x1b[0m\x1b]0;title\x07 b\x9b\rc\nd")))
    assert capsys.readouterr().err == "error: ared bc\nd\n"


def test_debug_adds_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTPLATE_DEBUG", "1")
    run(raising(ValueError("odd")))
    assert "Traceback" in capsys.readouterr().err


def test_an_unexpected_failure_says_that_it_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(ValueError("odd"))) == ExitCode.FAILED
    shown = capsys.readouterr().err
    assert "unexpected ValueError: odd" in shown
    assert "Traceback" not in shown


def test_errors_of_the_kubernetes_client_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    refused = Unreachable("https://127.0.0.1:6443", "dev", "connection refused")
    assert run(raising(refused)) == ExitCode.CLUSTER_ACCESS
    shown = capsys.readouterr().err
    assert "https://127.0.0.1:6443 (context dev)" in shown
    assert "footplate doctor" in shown


def test_codes_of_the_program_itself_are_passed_on() -> None:
    assert run(lambda: 42) == 42
    assert run(lambda: None) == 0


def test_usage_errors_name_the_command_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(typer.BadParameter("is not a number"))) == ExitCode.USAGE
    assert capsys.readouterr().err == "error: invalid value: is not a number\n"
