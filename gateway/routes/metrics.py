"""``/metrics``: the status of the market for Prometheus. Counts, sizes and ages by state and kind only.

No label names a participant, an order or a customer, and no value is a price.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.responses import Response

from gateway.auth import check_metrics
from gateway.context import Context, context_of
from gateway.routes.answers import problems
from market.desk import Status
from takt_sdk.model.values import DAY_US

router = APIRouter(tags=["health"])

_HEARD_US = 60_000_000
"""A participant counts as connected for so long after it was last heard of."""

_COUNTERS = {
    "commits": ("takt_journal_commits", "Groups of entries that were fsynced."),
    "failed_commits": ("takt_journal_failed_commits", "Commits that failed, for instance for want of space."),
    "entries": ("takt_journal_appended_entries", "Entries that were fsynced."),
    "entry_bytes": ("takt_journal_appended_bytes", "Bytes of messages and events in these entries."),
    "refused": ("takt_messages_refused", "Messages that the engine refused."),
    "repeated": ("takt_messages_repeated", "Messages whose effect was there already."),
    "broken": ("takt_messages_broken", "Messages on which the engine failed: each is a bug."),
    "dropped_unread": ("takt_requests_dropped", "Requests of floods that were not even answered."),
    "snapshot_failures": ("takt_snapshot_failures", "Snapshots that were not taken."),
}
_RESILIENCE = {
    "risks": ("takt_risks", 1, "Times that an order of the state was at risk."),
    "awarded": ("takt_risks_awarded", 1, "Those that a new award ended."),
    "detection_us": ("takt_detection_seconds", 1_000_000, "Sum of times from a loss until the market knew."),
    "award_us": ("takt_new_award_seconds", 1_000_000, "Sum of times from there to the new award."),
    "late_us": ("takt_late_days", DAY_US, "Days that promised orders are late after their due date."),
    "area_lost_ppm": ("takt_service_area_lost_days", 1_000_000, "Area over the curve of service, in days."),
    "recovery_days": ("takt_service_recovery_days", 1, "Longest run of days with service below 90 %."),
}
_UNREAD = "refused_unread_"
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get(
    "/metrics",
    response_class=Response,
    responses=_TEXT | problems("unauthorized", "market_unavailable", "no_answer"),
)
async def show_metrics(request: Request) -> Response:
    """Show the market's metrics in the text format of Prometheus."""
    context = context_of(request)
    check_metrics(request, context.settings)
    registry = CollectorRegistry()
    registry.register(_Families(context, await context.status()))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Families(Collector):
    """The metrics of one moment."""

    def __init__(self, context: Context, status: Status) -> None:
        self._context, self._status = context, status

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from self._gauges()
        yield from self._labelled()
        yield from self._totals()

    def _gauges(self) -> Iterator[Metric]:
        status, health = self._status, self._status.health
        now_us = health.now_us
        heard = [one.last_heard_us for one in status.participants if one.agent]
        connected = sum(at_us is not None and now_us - at_us < _HEARD_US for at_us in heard)
        values: dict[str, tuple[float, str]] = {
            "takt_ready": (health.ready, "1 if the market commits and its bus answers."),
            "takt_paused": (bool(health.pause_reason), "1 while no round opens, on the operator's word."),
            "takt_up_seconds": ((now_us - status.started_us) / 1e6, "Time since the start."),
            "takt_journal_entries": (status.entries, "Entries of the journal."),
            "takt_journal_size_bytes": (status.journal_bytes, "What the journal takes up on its disk."),
            "takt_snapshot_behind_entries": (
                status.entries - status.snapshot_entries,
                "Entries that a restart would fold.",
            ),
            "takt_round_overdue_seconds": (
                max(0.0, (now_us - (status.round_deadline_us or now_us)) / 1e6),
                "Time since the deadline of the round that is not done yet.",
            ),
            "takt_waiting_messages": (status.waiting_messages, "Messages that wait for the writer."),
            "takt_waiting_bytes": (status.waiting_bytes, "Their bytes."),
            "takt_waiting_senders": (status.waiting_senders, "How many senders they are of."),
            "takt_outbox_open_messages": (
                status.outbox_open,
                "Messages that no participant acknowledged yet.",
            ),
            "takt_nats_connected": (status.bus_connected, "1 if the connection to nats-server stands."),
            "takt_escrow_trouble": (bool(status.escrow), "1 if the escrow of sealed bids does not answer."),
            "takt_participants": (len(heard), "Admitted participants that have an agent."),
            "takt_participants_heard": (connected, "Those heard of within the last minute."),
        }
        for key, amount in status.resilience:
            name, unit, text = _RESILIENCE[key]
            values[name] = (amount / unit, text)
        for name, (value, text) in values.items():
            yield GaugeMetricFamily(name, text, value=float(value))

    def _labelled(self) -> Iterator[Metric]:
        for name, text, states in (
            ("takt_orders", "Orders in the state, by their state.", self._status.orders),
            ("takt_contracts", "Contracts in the state, by their state.", self._status.contracts),
            ("takt_rounds", "Rounds in the state, by their state.", self._status.rounds),
        ):
            family = GaugeMetricFamily(name, text, labels=["state"])
            for state, count in states:
                family.add_metric([state], count)
            yield family

    def _totals(self) -> Iterator[Metric]:
        counts = dict(self._status.counts)
        for key, (name, text) in _COUNTERS.items():
            yield CounterMetricFamily(name, text, value=counts[key])
        unread = CounterMetricFamily("takt_requests_refused", "Requests refused unread.", labels=["reason"])
        for key, count in counts.items():
            if key.startswith(_UNREAD):
                unread.add_metric([key.removeprefix(_UNREAD)], count)
        yield unread
        kinds = CounterMetricFamily("takt_messages", "Messages taken and sent, by kind.", labels=["kind"])
        for kind, count in self._status.messages:
            kinds.add_metric([kind], count)
        yield kinds
        wrong, fast = self._context.guesses.wrong, self._context.customers.refused
        yield CounterMetricFamily("takt_http_wrong_keys", "Requests without a valid key.", value=wrong)
        yield CounterMetricFamily("takt_http_too_fast", "Requests beyond a customer's rate.", value=fast)
        yield self._commit_seconds()

    def _commit_seconds(self) -> Metric:
        family = HistogramMetricFamily("takt_commit_seconds", "Time from a group's decision to its fsync.")
        seen, buckets = 0, []
        for bound_s, count in self._status.commit_s:
            seen += count
            buckets.append(("+Inf" if bound_s == float("inf") else str(bound_s), seen))
        family.add_metric([], buckets, sum_value=self._status.commit_total_s)
        return family
