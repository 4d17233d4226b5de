"""The old name of two modules, for the tests that still import from it."""

from tests.support.samples import *  # noqa: F403  # all of it, for as long as it is asked for by this name
from tests.support.transport import *  # noqa: F403  # likewise
