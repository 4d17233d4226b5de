"""Tools for testing bots: a loop that does not wait, and a pytest plugin, there once the package is installed.

The plugin's fixtures are `bitminter_pool` and `bitminter_client`:

    async def test_tells_of_an_idle_worker(bitminter_client, bitminter_pool):
        bitminter_pool.set_worker_alive("demo", "rig1", alive=False)
        assert await my_bot(bitminter_client) == "rig1 is idle"

Their names are long because every suite that has this package installed gets them: a fixture named `client` would stand
in the way of the one that pytest-django and pytest-flask have.

The async tests themselves are run by whatever you run yours with: pytest-asyncio or anyio's plugin. `AutojumpLoop` is
an event loop for them, and for any other test: its docstring says how each is told to use it.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._autojump import AutojumpLoop

with suppress(ModuleNotFoundError):  # without pytest there is nobody to find fixtures, and the loop serves all the same
    from ._fixtures import bitminter_client, bitminter_pool

__all__ = ["AutojumpLoop", "bitminter_client", "bitminter_pool"]

if not TYPE_CHECKING:  # a type checker takes the import above, and tells a misspelt name

    def __getattr__(name: str) -> object:
        # Imported only when it is used: every pytest run loads this module, and few have asyncio loaded by then.
        if name != "AutojumpLoop":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ._autojump import AutojumpLoop  # noqa: PLC0415  # see above

        return AutojumpLoop
