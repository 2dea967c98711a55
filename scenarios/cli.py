"""``takt``: every command of the project. Each lives in a module of its own and loads when it is called."""

from __future__ import annotations

import signal
import sys
import threading
from importlib import import_module
from pathlib import Path

import click

COMMANDS = {
    "up": ("scenarios.up_command", "up"),
    "run": ("scenarios.run_command", "run"),
    "scenario": ("scenarios.scenario_command", "scenario"),
    "sweep": ("scenarios.sweep_command", "sweep"),
    "compare": ("scenarios.compare_command", "compare"),
    "report": ("scenarios.compare_command", "report"),
    "import": ("scenarios.import_command", "import_"),
    "regret": ("scenarios.regret_command", "regret_"),
    "replay": ("scenarios.replay_command", "replay_"),
    "partner": ("scenarios.partner_command", "partner"),
    "join": ("agents.join_command", "join"),
    "conform": ("market.conformance.command", "conform"),
    "order": ("gateway.order_command", "order"),
    "part": ("gateway.part_command", "part"),
    "clear": ("scenarios.clear_command", "clear"),
    "escrow": ("scenarios.escrow_command", "escrow"),
    "status": ("scenarios.operate_command", "status"),
    "pause": ("scenarios.operate_command", "pause"),
    "resume": ("scenarios.operate_command", "resume"),
    "void": ("scenarios.operate_command", "void"),
    "backup": ("scenarios.backup_command", "backup"),
    "restore": ("scenarios.backup_command", "restore"),
    "verify": ("scenarios.verify_command", "verify"),
    "audit": ("scenarios.audit_command", "audit"),
}
"""Name → (module, attribute)."""


class _LazyGroup(click.Group):
    """Imports a command only when it is asked for: `takt join` needs no solver, `takt clear` no Ray."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command, which SIGINT ends from its first import on.

        Shells let what they start in the background ignore it.
        """
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        ):
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=_LazyGroup)
@click.version_option(package_name="takt")
def main() -> None:
    """Takt: an open market for manufacturing capacity."""
    # Policies of one's own are named by import path; nothing of ours is hidden by what lies here.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
