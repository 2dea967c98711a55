"""Helpers in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from market.adapters.part_process import ProcessHelper, hire_process
from market.clearing.search.part_search import Helper, Hire
from tests.contract.helper_contract import PATIENCE_S, HelperContract
from tests.deadlines import killed_after


class TestProcess(HelperContract):
    """One process per helper."""

    @pytest.fixture
    def hire(self) -> Hire:
        return hire_process

    def lose(self, helper: Helper) -> None:
        assert isinstance(helper, ProcessHelper)
        os.kill(helper.pid, signal.SIGKILL)


def test_a_closed_helper_leaves_no_process() -> None:
    helper = ProcessHelper()
    helper.close()
    assert not psutil.pid_exists(helper.pid)


def test_a_helper_dies_with_its_parent() -> None:
    """However the parent ends."""
    script = (
        "from market.adapters.part_process import ProcessHelper\n"
        "import sys, signal\n"
        "print(ProcessHelper().pid, flush=True)\n"
        "signal.pause()"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with killed_after(parent):
        helper = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait(PATIENCE_S)
    parent.stdout.close()
    assert psutil.wait_procs([helper], timeout=PATIENCE_S)[1] == []
