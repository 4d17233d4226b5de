"""Every example that ends runs as it stands, against a pool of its own and against one that the environment names."""

import ast
import asyncio
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

import bitminter_async
from bitminter_async.local import LocalPool

_EXAMPLES = Path(__file__).parent.parent / "examples"
_SERVICES = {"block_bot", "exporter", "idle_alert", "recorder"}  # run by test_example_services.py
_EXPECTED = {
    "quickstart": [
        r"^Pool     \d\.\d\d PH/s, \d+ workers of \d+ users$",
        r"^BTC      \d+% of a block's work done, .* into the round$",
        r"^  \d\d \w{3} \d\d:\d\d  (BTC|NMC) \d+  \d+\.\d{8} (BTC|NMC)  luck +\d+%  unconfirmed, found by .+$",
        r"^  \d\d \w{3} \d\d:\d\d  \d\.\d\d PH/s, \d\.\d\d% rejected$",
        r"^  \w+ +\d+\.\d\d TH/s$",
        r"^demo mines at \d+\.\d\d TH/s with 2 workers: 0\.\d{3}% of this shift$",
        r"^  balance  \d+\.\d{8} BTC, \d+\.\d{8} NMC$",
        r"^  workers  rig1, rig2; 0 idle$",
        r"^Since .* sent 10 requests",
    ],
    "history": [
        r"^Week of     Blocks  Lost   Luck  Income in BTC$",
        r"^2014-02-\d\d +\d+ +\d+ +\d+%  \d+\.\d{8}$",
    ],
    "workers": [
        r"^demo's workers: \d+\.\d\d TH/s from 3 of 4$",
        r"^rig1 +\d+\.\d\d [GT]H/s +[\d,]+ +\d\.\d\d%  mining$",
        r"^rig3 +0\.00 H/s +[\d,]+ +\d\.\d\d%  idle for 0:35:01$",
        r"^ +\d+\.\d{8} BTC$",
    ],
}


def _run(example: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(_EXAMPLES / f"{example}.py")]
    return subprocess.run(  # noqa: S603  # our own files
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment}
    )


def test_no_example_is_forgotten() -> None:
    """Each file in examples/ is run here or, if it runs for ever, as a service, and is short enough to be read."""
    lines = {path.stem: len(path.read_text().splitlines()) for path in _EXAMPLES.glob("*.py")}
    assert lines.keys() == {*_EXPECTED, *_SERVICES}
    assert all(lines[example] <= 71 for example in _EXPECTED)
    assert all(lines[example] <= 115 for example in _SERVICES)


@pytest.mark.parametrize("example", _EXPECTED)
def test_an_example_prints_what_it_promises(example: str) -> None:
    """An example needs nothing set, prints its lines, and warns of nothing."""
    run = _run(example)
    assert (run.returncode, run.stderr) == (0, "")
    for line in _EXPECTED[example]:
        assert re.search(line, run.stdout, re.MULTILINE), f"{line} is not in\n{run.stdout}"


@pytest.mark.socket
async def test_an_example_asks_the_pool_that_the_environment_names() -> None:
    """With BITMINTER_URL and BITMINTER_KEY set, an example asks there, with that key, and nowhere else."""
    pool = LocalPool()
    key = pool.add_user("carol", workers=1)
    async with pool.serve() as url:
        run = await asyncio.to_thread(_run, "workers", BITMINTER_URL=url, BITMINTER_KEY=key)
    assert (run.returncode, run.stderr) == (0, "")
    assert "carol's workers" in run.stdout
    assert [(request.path, request.keyed) for request in pool.requests] == [("/api/users", True)]


async def test_an_outage_of_a_walk_may_be_a_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's loop that takes a walk up again outlasts a block of the client, and loses no record by it."""
    readme = (_EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n([^`]*GapError[^`]*)^```", readme, re.MULTILINE)
    pool = LocalPool()
    async with pool.client() as client:
        blocks = [block async for block in client.pool.iter_blocks()]
    before = len(pool.requests)
    monkeypatch.setattr(bitminter_async, "Client", pool.client)
    pool.fail_next(403)
    await eval(compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), {})  # noqa: S307  # it is ours
    first, *_, last = capsys.readouterr().out.splitlines()
    assert "the pool has blocked this client" in first
    assert last == f"{len(blocks)} blocks in all"
    assert [request.status for request in pool.requests[before:]].count(403) == 1


async def test_a_week_without_work(capsys: pytest.CaptureFixture[str]) -> None:
    """A block that took no work, as a first one may, is luck without end, and no error."""
    pool, history = LocalPool(), runpy.run_path(str(_EXAMPLES / "history.py"))
    block = {"id": 2, "chain": "BTC", "hash": "00" * 32, "height": 300_000, "difficulty": 1.0, "income": "25.0"}
    work = {"accepted": 0, "rejected": 0, "generated": 1_393_675_200, "duration": 600}
    fate = {"status": "unconfirmed", "confirmations_left": 100, "generator": "demo"}
    pool.fail_next(200, body=json.dumps([block | work | fate]).encode())
    async with pool.client() as client:
        await history["print_luck"](client, "BTC", 1)
    assert "2014-02-24       1     0   inf%  25.00000000" in capsys.readouterr().out


async def test_a_worker_without_shares_of_a_commodity(capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that has no work in BTC is in the table all the same."""
    pool, workers = LocalPool(), runpy.run_path(str(_EXAMPLES / "workers.py"))
    pool.add_user("demo", workers=1)
    async with pool.client(user="demo") as client:
        user = await client.users.get()
    bare = attrs.evolve(user, workers=(attrs.evolve(user.workers[0], work={}),))
    workers["print_workers"](bare)
    assert re.search(r"^rig1 +\S+ \S+ +0 +-  mining$", capsys.readouterr().out, re.MULTILINE)
