"""No test waits for a process without a deadline: a run of all tests must fail, not hang."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
RUNS = {"run", "call", "check_call", "check_output"}
WITHOUT = {"wait", "communicate"}
"""Methods of `subprocess.Popen` that wait for ever unless told otherwise; awaited ones are asyncio's."""


def endless(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls that wait for a process without an end."""
    awaited = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
    handed = {id(argument) for node in ast.walk(tree) if isinstance(node, ast.Call) for argument in node.args}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of, name = node.func.value, node.func.attr
        limited = any(keyword.arg in {"timeout", None} for keyword in node.keywords)
        if isinstance(of, ast.Name) and of.id == "subprocess":
            if name in RUNS and not limited:
                yield node
        elif name in WITHOUT and not node.args and not limited and {id(node)}.isdisjoint(awaited | handed):
            yield node


def test_no_test_waits_for_a_process_without_a_deadline() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{call.lineno}: {ast.unparse(call)[:80]}"
        for path in sorted(TESTS.rglob("*.py"))
        if "trust" not in path.parts  # runs whole suites, by hand
        for call in endless(ast.parse(path.read_text()))
    ]
    assert found == []


def test_such_a_wait_is_found() -> None:
    text = "subprocess.run(['x'])\nprocess.wait()\nprocess.wait(3)\nsubprocess.run(['x'], timeout=3)\n"
    assert [call.lineno for call in endless(ast.parse(text))] == [1, 2]
