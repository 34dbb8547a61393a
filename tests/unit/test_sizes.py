"""Files and functions that can be read in one piece."""

import ast

from basin_escape.tools.pack import ROOT

FILE, FUNCTION = 150, 40  # lines
PACK = ("samplers", "nodes", "plots", "metrics", "audit")
EVIDENCE = ("testbed", "benchmarks", "training", "tools")


def texts(folders):
    """The Python files below these folders, by their path in the repository."""
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def functions(source):
    """Name and number of lines of the functions of a Python text, decorators left out."""
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.name, node.end_lineno - node.lineno + 1) for node in nodes]


def test_no_file_is_too_long():
    files = texts(PACK)
    assert "samplers/host/guider.py" in files
    assert [path for path, source in files.items() if len(source.splitlines()) > FILE] == []


def test_no_function_is_too_long():
    found = [(path, *f) for path, source in texts(PACK + EVIDENCE).items() for f in functions(source)]
    assert ("nodes/detect.py", "INPUT_TYPES") in {(path, name) for path, name, _ in found}
    assert [function for function in found if function[-1] > FUNCTION] == []


def test_the_lines_of_functions_are_counted():
    source = "class A:\n    @staticmethod\n    def f():\n        def g():\n            pass\n\n        return g\n"
    assert functions(source) == [("f", 5), ("g", 2)]
