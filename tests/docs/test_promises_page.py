from __future__ import annotations

import ast
import json
from pathlib import Path

from tests.trust.page import KEPT, PAGE, page
from tests.trust.promises import FIGURES, PROMISES

ROOT = Path(__file__).parents[2]


def test_the_page_is_that_of_the_last_run() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(json.loads(KEPT.read_text()))


def test_there_are_ten_promises_and_each_names_tests_that_exist() -> None:
    assert [promise.number for promise in PROMISES] == list(range(1, 11))
    for promise in PROMISES:
        assert promise.tests
        for test in promise.tests:
            path, _, name = test.partition("::")
            assert (ROOT / path).exists(), test
            if name:
                tree = ast.parse((ROOT / path).read_text())
                assert name in {getattr(node, "name", "") for node in tree.body}, test


def test_every_figure_belongs_to_a_promise_and_its_benchmark_exists() -> None:
    for figure in FIGURES:
        assert figure.promise in {promise.number for promise in PROMISES}
        assert (ROOT / (figure.arguments[0].replace(".", "/") + ".py")).exists()
