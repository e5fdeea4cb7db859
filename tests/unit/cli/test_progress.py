import asyncio
import io

import pytest

from footplate.cli.progress import Live


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


async def test_what_is_quick_shows_nothing() -> None:
    screen = Terminal()
    async with Live("waiting for the cluster", screen) as live:
        live("working")
        await asyncio.sleep(0.2)
    assert screen.getvalue() == ""


async def test_a_terminal_has_one_live_line_that_is_gone_in_the_end() -> None:
    screen = Terminal()
    async with Live("waiting for the cluster", screen) as live:
        live("pulling the image")
        await asyncio.sleep(0.9)
    shown = screen.getvalue()
    assert "pulling the image (" in shown
    assert "\n" not in shown
    assert shown.endswith("\r\x1b[K")


async def test_after_two_seconds_without_a_word_it_says_whom_it_waits_for() -> None:
    screen = Terminal()
    async with Live("waiting for https://h (dev)", screen):
        await asyncio.sleep(1.5)
        assert screen.getvalue() == ""
        await asyncio.sleep(1.0)
    assert "waiting for https://h (dev)" in screen.getvalue()


async def test_elsewhere_a_line_is_printed_where_something_changed() -> None:
    out = io.StringIO()
    async with Live("waiting", out) as live:
        live("Queued.")
        await asyncio.sleep(0.9)
        live("Starting.")
        await asyncio.sleep(2.3)
    assert out.getvalue() == "Queued.\nStarting.\n"


async def test_while_something_else_has_the_terminal_it_is_silent() -> None:
    screen = Terminal()
    async with Live("waiting", screen) as live:
        live("connecting")
        live.pause()
        await asyncio.sleep(0.9)
        assert screen.getvalue() == ""
        live.say("a line that stays")
    assert screen.getvalue() == "a line that stays\n"
