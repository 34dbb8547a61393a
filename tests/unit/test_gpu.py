"""What `make test-gpu` reads from a suite, and that it says in one line where there is no card."""

import subprocess
import sys

import pytest
import torch
from basin_escape.tools.pack import ROOT
from gpu import outcomes

REPORT = """<testsuites><testsuite>
<testcase classname="a.b" name="one" />
<testcase classname="a.b" name="two"><skipped message="no card" /></testcase>
<testcase classname="a.b" name="three"><failure message="first line&#10;second" /></testcase>
<testcase classname="a.b" name="four"><error message="cannot start" /></testcase>
</testsuite></testsuites>"""


def test_what_became_of_a_suite(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    failed = {"a.b::three": "first line", "a.b::four": "cannot start"}
    assert outcomes(tmp_path / "report.xml") == {"passed": 1, "skipped": 1, "failed": failed}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_one_line_says_so():
    done = subprocess.run([sys.executable, "tools/gpu.py"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "Not run: this PyTorch finds no GPU.\n")
