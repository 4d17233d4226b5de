"""The README's table of peers is the one that the benchmark prints."""

import ast
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_BENCHMARK = _ROOT / "tests" / "benchmarks" / "peers.py"


def test_the_readme_shows_the_rows_of_the_benchmark() -> None:
    """Each row of the benchmark stands in the README, in its order, and no other; the figures are the machine's."""
    # Read, not imported: the peers themselves are there only where all checks are.
    tree = ast.parse(_BENCHMARK.read_text(encoding="utf-8"))
    values = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    us = ast.literal_eval(values["US"])
    rows = ast.unparse(values["ROWS"]).replace("US", repr(us))
    expected = [(what, name) for what, names in ast.literal_eval(rows).items() for name in names]
    section = (_ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Beside its peers\n")[2]
    table = [line.split("|") for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")][2:]
    assert [(row[1].strip(), row[2].strip()) for row in table] == expected
    assert all(float(row[3].replace(",", "")) > 0 for row in table)
