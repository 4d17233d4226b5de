"""What the command's tests have in common."""

import pytest

from bitminter_async.local import LocalPool


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the terminal in which it runs."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONIOENCODING", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> LocalPool:
    """A pool in memory, always the same, whose user demo has the key that the environment names."""
    made = LocalPool()
    monkeypatch.setenv("BITMINTER_KEY", made.add_user("demo"))
    return made
