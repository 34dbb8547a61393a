"""The compatibility table names a test for each of its rows."""

import re

from basin_escape.tools.pack import ROOT


def rows():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Compatibility")[1].split("\n|---|")[1].split("\n\n")[0]
    return [row for row in table.splitlines()[1:] if row.startswith("|")]


def test_every_row_of_the_compatibility_table_has_a_test():
    assert len(rows()) > 20
    for row in rows():
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.split("|")[-2])
        assert tests, row
        for file, name in tests:
            source = (ROOT / file).read_text(encoding="utf-8")
            assert re.search(rf"^(def|class) {name}\b", source, re.MULTILINE), f"{file} has no {name}"
