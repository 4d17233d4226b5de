"""How soon the command answers: whole processes, each figure a ratio of medians, both sides interleaved in one run.

python -m tests.benchmarks.startup            the figures
python -m tests.benchmarks.startup --brief    the same in a few seconds, to see that it runs
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial

_COMMAND = "import sys; from bitminter_async.cli import main; sys.exit(main())"  # as the installed script has it
_HELP, _PLAIN = ["-c", _COMMAND, "--help"], ["-c", "import argparse"]
_STATS, _IMPORT = ["-c", _COMMAND, "stats"], ["-c", "from bitminter_async import Client"]
# From bytecode, as an installed package is; with no key, and no pool but the one that is started here.
_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("BITMINTER_")
}


@contextmanager
def _pool() -> Generator[str]:
    command = [sys.executable, "-m", "bitminter_async.local", "--port", "0", "--limit", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT) as server:  # noqa: S603  # ours
        try:
            assert server.stdout
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def _seconds(arguments: Sequence[str], url: str) -> float:
    began = time.perf_counter()
    subprocess.run(  # noqa: S603  # our own
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**_ENVIRONMENT, "BITMINTER_URL": url},
    )
    return time.perf_counter() - began


def _compare(what: str, ours: Sequence[str], theirs: Sequence[str], *, url: str, rounds: int, target: float) -> None:
    _seconds(ours, url)
    pairs = [(_seconds(ours, url), _seconds(theirs, url)) for _ in range(rounds)]
    mine, other = (statistics.median(pair[at] for pair in pairs) for at in (0, 1))
    print(f"{what:<58} {mine * 1e3:>7.1f} ms {other * 1e3:>7.1f} ms  ratio {mine / other:.2f}  (at most {target})")  # noqa: T201


def main(*, brief: bool) -> None:
    """Measure and print."""
    rounds = 3 if brief else 21
    with _pool() as url:
        compare = partial(_compare, url=url, rounds=rounds)
        compare('bitminter --help, against python -c "import argparse"', _HELP, _PLAIN, target=1.5)
        compare(
            "bitminter stats, against importing bitminter_async.Client",
            _STATS,
            _IMPORT,
            url=url,
            rounds=rounds,
            target=1.3,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brief", action="store_true")
    main(brief=parser.parse_args().brief)
