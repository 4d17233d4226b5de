"""What each command asks, and what it prints into a pipe."""

import json
from datetime import timedelta

import pytest

from bitminter_async.local import LocalPool
from tests.support.command import command

Capture = pytest.CaptureFixture[str]


def _table(text: str) -> list[dict[str, str]]:
    """What a pipe gets, as a reader of tab-separated values takes it."""
    head, *rows = (line.split("\t") for line in text.splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


def _paths(pool: LocalPool) -> list[str]:
    return [request.path for request in pool.requests]


def test_stats(pool: LocalPool, capsys: Capture) -> None:
    """`stats` is one request, and one line of figures under their names, each in the unit that its name tells."""
    assert command(pool, "stats") == 0
    assert _paths(pool) == ["/api/pool/stats"]
    (row,) = _table(capsys.readouterr().out)
    assert float(row["hash_rate_hps"]) > 1e15
    assert (int(row["active_workers"]), int(row["active_users"])) > (0, 0)


def test_stats_as_json(pool: LocalPool, capsys: Capture) -> None:
    """`--json` is one object a line, with numbers for numbers."""
    assert command(pool, "--json", "stats") == 0
    stats = json.loads(capsys.readouterr().out)
    assert stats.keys() == {"hash_rate_hps", "active_workers", "active_users"}
    assert isinstance(stats["hash_rate_hps"], float)


def test_round(pool: LocalPool, capsys: Capture) -> None:
    """`round` has a line for the shift and one for each chain; what one does not have is empty."""
    assert command(pool, "round") == 0
    assert _paths(pool) == ["/api/pool/round"]
    shift, *chains = _table(capsys.readouterr().out)
    assert (shift["of"], shift["duration_s"], shift["difficulty"]) == ("shift", "1500.0", "")
    assert [chain["of"] for chain in chains] == ["BTC", "NMC"]
    assert all(float(chain["effort"]) > 0 for chain in chains)


def test_round_as_json(pool: LocalPool, capsys: Capture) -> None:
    """The round is one object, as the API has it."""
    assert command(pool, "round", "--json") == 0
    assert json.loads(capsys.readouterr().out)["chains"].keys() == {"BTC", "NMC"}


def test_top(pool: LocalPool, capsys: Capture) -> None:
    """`top -n` lists so many of the fastest, the fastest first; as JSON, hash rates are numbers."""
    assert command(pool, "top", "-n", "3") == 0
    rows = _table(capsys.readouterr().out)
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    rates = [float(row["hash_rate_hps"]) for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert command(pool, "top", "-n", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"rank": 1, "name": rows[0]["name"], "hash_rate_hps": rates[0]}
    assert _paths(pool) == ["/api/pool/top50"] * 2


def test_blocks(pool: LocalPool, capsys: Capture) -> None:
    """`blocks` gives the latest 20, newest first; `--commodity` asks the pool for that one's alone."""
    assert command(pool, "blocks") == 0
    rows = _table(capsys.readouterr().out)
    ids = [int(row["id"]) for row in rows]
    assert (len(ids), ids) == (20, sorted(ids, reverse=True))
    assert command(pool, "blocks", "-n", "2", "--commodity", "NMC", "--json") == 0
    assert [json.loads(line)["chain"] for line in capsys.readouterr().out.splitlines()] == ["NMC", "NMC"]
    assert pool.requests[-1].params["commodity"] == "NMC"


def test_blocks_of_a_time(pool: LocalPool, capsys: Capture) -> None:
    """`--since` and `--until` bound the walk, both included; without `-n`, all between them come."""
    assert command(pool, "blocks", "--since", "2014-02-01", "--until", "2014-02-20") == 0
    days = [row["generated"][:10] for row in _table(capsys.readouterr().out)]
    assert len(days) > 50
    assert (min(days), max(days)) == ("2014-02-01", "2014-02-20")


def test_shifts(pool: LocalPool, capsys: Capture) -> None:
    """`shifts` is the same for shifts."""
    assert command(pool, "shifts", "-n", "3") == 0
    rows = _table(capsys.readouterr().out)
    assert [row["duration_s"] for row in rows] == ["3600.0"] * 3
    assert all(float(row["hash_rate_hps"]) > 1e15 for row in rows)
    assert {request.path for request in pool.requests} == {"/api/pool/shifts"}


def test_user(pool: LocalPool, capsys: Capture) -> None:
    """`user` is the key's owner, with a column for each commodity; `user NAME` is another."""
    assert command(pool, "user") == 0
    (row,) = _table(capsys.readouterr().out)
    assert (row["name"], row["active_workers"], row["idle_workers"]) == ("demo", "2", "0")
    assert {"balance_BTC", "balance_NMC"} < row.keys()
    assert command(pool, "user", "deepdigger", "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "deepdigger"
    assert _paths(pool) == ["/api/users", "/api/users/deepdigger"]


def test_workers(pool: LocalPool, capsys: Capture) -> None:
    """`workers` lists all, and how long ago they worked by the pool's clock; `--idle` those who do not."""
    pool.add_worker("demo", "new", alive=False)
    pool.set_worker_alive("demo", "rig2", alive=False)
    pool.advance(timedelta(hours=2))
    assert command(pool, "workers") == 0
    rows = {row["name"]: row for row in _table(capsys.readouterr().out)}
    assert {name: row["state"] for name, row in rows.items()} == {"rig1": "mines", "rig2": "idle", "new": "idle"}
    assert 7200 < float(rows["rig2"]["since_last_work_s"]) < 7600
    assert (rows["new"]["since_last_work_s"], rows["new"]["last_work"]) == ("", "")
    assert command(pool, "workers", "demo", "--idle", "--json") == 0
    assert {json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()} == {"rig2", "new"}


def test_a_pipe_gets_the_names_also_of_nothing(pool: LocalPool, capsys: Capture) -> None:
    """Where there is no record, the line of names stands alone; as JSON there is no line."""
    assert command(pool, "workers", "--idle") == 0
    assert capsys.readouterr().out.startswith("name\tstate\t")
    assert command(pool, "workers", "--idle", "--json") == 0
    assert capsys.readouterr() == ("", "")


def test_the_receipt(pool: LocalPool, capsys: Capture) -> None:
    """`--receipt` tells on stderr, at the end, what was asked; the output stays what it was."""
    assert command(pool, "stats", "--receipt", "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)
    assert "sent 1 request for 1 call" in captured.err.replace("\n", " ")
    assert command(pool, "user", "nobody", "--receipt") == 1
    assert "sent 1 request" in capsys.readouterr().err.replace("\n", " ")
