"""Every async test runs on virtual time, unless it is marked `socket`."""

import asyncio
import gc
import signal
from collections.abc import Callable, Mapping

import hypothesis
import pytest

from bitminter_async._session.budget import process
from bitminter_async.testing import AutojumpLoop

hypothesis.settings.register_profile("untimed", deadline=None)  # or a busy machine would fail a test now and then
hypothesis.settings.load_profile("untimed")


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001  # the hook's own signature
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give a socket test a real loop, any other a virtual one."""
    return {"real": asyncio.new_event_loop} if item.get_closest_marker("socket") else {"virtual": AutojumpLoop}


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, also where a shell that runs this behind ignores it for them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over what lasts until the end: modules, and thousands of collected tests."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line each what was not tested for want of a server, and in which order something failed."""
    skipped = [report for report in terminalreporter.getreports("skipped") if "redis-server" in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests through Redis were skipped: redis-server is not on the PATH")
    if terminalreporter.getreports("failed"):
        terminalreporter.write_line(
            f"the order was that of --randomly-seed={terminalreporter.config.getoption('randomly_seed', 'none')}"
        )


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on what the shell that runs it has set, or on what another has asked."""
    process._STATES.clear()
    monkeypatch.setenv("BITMINTER_SHARE", "process")  # what is shared further goes by the wall clock
    for name in ("BITMINTER_KEY", "BITMINTER_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
