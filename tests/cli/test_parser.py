"""The options: what is refused, in which words, and that no key gets through."""

import pytest

from bitminter_async.cli import main
from bitminter_async.cli._parser import COMMANDS, make_parser, parse

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("blocks -n 0", "argument -n: must be a number of 1 or more, not '0'"),
        ("blocks -n x", "argument -n: must be a number of 1 or more, not 'x'"),
        ("blocks --since x", "argument --since: must be a moment such as 7d"),
        ("shifts --until x", "argument --until: must be a moment such as 7d"),
        ("blocks --since 2014-01-02 --until 2014-01-01", "--since is later than --until"),
        ("blocks --commodity B/C", "argument --commodity: "),
        ("stats --timeout 0", "argument --timeout: must be a number of seconds above 0, not '0'"),
        ("stats --timeout nan", "argument --timeout: must be a number of seconds above 0, not 'nan'"),
        ("stats -w x", "argument -w/--watch: must be a number of seconds above 0, not 'x'"),
        ("user ..", "argument NAME: a user's name must not be '..'"),
        ("watch moon", "argument WHAT: must be stats, blocks, shifts or workers, not 'moon'"),
        ("stats --tim 3", "unrecognized arguments: --tim 3"),
        ("moon", "invalid choice: 'moon'"),
    ],
)
def test_wrong_usage_is_one_line(line: str, said: str, capsys: Capture) -> None:
    """What is wrong, and where to read more, stands in one line on stderr; the exit code is 2, and nothing is sent."""
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert said in captured.err
    assert "--help tells more" in captured.err


@pytest.mark.parametrize(
    "line",
    [
        f"--key {KEY} stats",
        f"stats --key={KEY}",
        f"stats --api-key {KEY}",
        f"stats --api-key={KEY}",
        f"user --apikey={KEY}",
        f"user --token {KEY}",
        f"user -k {KEY}",
    ],
)
def test_a_key_is_not_taken_from_an_argument(line: str, capsys: Capture) -> None:
    """Any process can read another's arguments: a key there is refused, and not repeated."""
    assert main(line.split()) == 2
    said = capsys.readouterr().err
    assert "set BITMINTER_KEY, or name a file by --key-file" in said
    assert KEY not in said


@pytest.mark.parametrize("line", [f"stats {KEY}", f"{KEY}", f"stats -k{KEY}", f"stats --timeout {KEY}"])
def test_what_looks_like_a_key_is_not_repeated(line: str, capsys: Capture) -> None:
    """A key in the wrong place is masked where an error quotes it."""
    assert main(line.split()) == 2
    said = capsys.readouterr().err
    assert "***" in said
    assert KEY not in said


def test_a_name_behind_two_dashes_is_a_name() -> None:
    """Behind `--`, what begins with dashes is a user's name."""
    assert parse(["user", "--", "--key"]).name == "--key"


@pytest.mark.parametrize(
    "line", ["--json --timeout 3 -v stats", "stats --json --timeout 3 -v", "--json stats --timeout 3 -v"]
)
def test_common_options_stand_before_or_behind_the_command(line: str) -> None:
    """What is given in one place is not undone by its absence in the other."""
    options = parse(line.split())
    assert (options.json, options.timeout, options.verbose, options.url) == (True, 3.0, 1, None)


def test_help_names_every_command(capsys: Capture) -> None:
    """`--help` prints to stdout, names each command, and where the key comes from; its lines fit 80 columns or so."""
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"    {name} " in told for name in [*COMMANDS, "serve", "completion"])
    assert "BITMINTER_KEY" in told
    assert max(map(len, told.splitlines())) <= 100


@pytest.mark.parametrize("name", [*COMMANDS, "completion"])
def test_each_command_has_help(name: str, capsys: Capture) -> None:
    """`bitminter COMMAND --help` begins with how to call it."""
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: bitminter {name} ")


def test_no_command_is_wrong_usage(capsys: Capture) -> None:
    """Without a command, the help goes to stderr."""
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == make_parser().format_help()


def test_the_version(capsys: Capture) -> None:
    """`--version` prints the package's."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bitminter 0.")


def test_serve_is_called_as_it_was_typed(capsys: Capture) -> None:
    """The help and the errors of `bitminter serve` name that command, not the module behind it."""
    assert main(["serve", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: bitminter serve [-h]")
    assert main(["serve", "--port", "moon"]) == 2
    assert "bitminter serve: error: argument --port" in capsys.readouterr().err
