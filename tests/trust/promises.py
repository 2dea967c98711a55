"""The ten promises, the tests that hold each, and the benchmarks whose figures stand beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A promise in its public words; ``tests`` are paths, or ``path::name`` of single tests."""

    number: int
    title: str
    text: str
    tests: tuple[str, ...]


PROMISES = (
    Promise(
        number=1,
        title="An acknowledgement means fsynced",
        text="Orders, bids, cancellations and reports survive kill -9 and power loss.",
        tests=(
            "tests/integration/test_journal_power.py",
            "tests/integration/test_journal_crash.py",
            "tests/integration/test_journal_full_disk.py",
            "tests/integration/test_gateway_crash.py",
            "tests/unit/market/service/test_writer.py",
            "tests/integration/test_operating.py::test_a_market_whose_disk_is_full_acknowledges_nothing_lives_and_goes_on_once_there_is_space",
        ),
    ),
    Promise(
        number=2,
        title="Retry safely",
        text="One effect per idempotency key, per (participant, round, sequence).",
        tests=(
            "tests/unit/market/engine/test_orders.py",
            "tests/unit/market/engine/test_bidding.py",
            "tests/integration/test_gateway_orders.py",
            "tests/simulation/test_seeds.py::test_seeds",
        ),
    ),
    Promise(
        number=3,
        title="Every clearing can be recomputed",
        text=(
            "By the auditors whom the rules name, who hold the whole log; a participant proves its own part "
            "with its entries, inclusion and consistency proofs and the public part."
        ),
        tests=(
            "tests/unit/market/test_audit.py",
            "tests/unit/market/service/test_tampering.py",
            "tests/unit/market/service/test_following.py",
            "tests/integration/test_audit_command.py",
            "tests/unit/market/test_proofs.py",
            "tests/property/test_merkle_properties.py",
            "tests/golden",
            "tests/integration/test_upgrade.py",
        ),
    ),
    Promise(
        number=4,
        title="Close is a log position",
        text="Nothing logged after it influences that clearing.",
        tests=(
            "tests/unit/market/service/test_rounds.py",
            "tests/simulation/test_crashes.py",
            "tests/property/test_engine.py",
        ),
    ),
    Promise(
        number=5,
        title="Sealed until close",
        text=(
            "No bid's price leaves the market before, in any output; losers' prices are never published. "
            "Reservation values are told to nobody but their customer, but are not sealed from the market."
        ),
        tests=(
            "tests/unit/market/engine/test_sealing.py",
            "tests/unit/market/service/test_seals.py",
            "tests/simulation/test_sealed.py",
            "tests/integration/test_sealed_market.py",
            "tests/integration/test_escrow_tls.py",
            "tests/integration/test_sealed_up.py",
        ),
    ),
    Promise(
        number=6,
        title="Nobody acts in your name",
        text=(
            "Server-enforced subjects and a signature over the exact bytes (orders by HTTP: attested by the "
            "gateway and recorded so)."
        ),
        tests=(
            "tests/unit/market/engine/test_keys.py",
            "tests/unit/market/service/test_signatures.py",
            "tests/integration/test_signatures_nats.py",
            "tests/integration/test_another_server.py",
            "tests/integration/test_embedded_nats_permissions.py",
        ),
    ),
    Promise(
        number=7,
        title="Your data only",
        text="Another tenant's order does not exist for you.",
        tests=("tests/integration/test_tenancy.py", "tests/integration/test_gateway_access.py"),
    ),
    Promise(
        number=8,
        title="Awards and bounds are checked by independent code",
        text="And say optimal, gap or fallback.",
        tests=(
            "tests/property/test_clearing_oracle.py",
            "tests/property/test_clearing_certificate.py",
            "tests/property/test_clearing_mutations.py",
        ),
    ),
    Promise(
        number=9,
        title="Bounded under abuse",
        text="Flooding, slow and hostile participants cost themselves, not others.",
        tests=(
            "tests/unit/market/service/test_intake.py",
            "tests/integration/test_flood.py",
            "tests/integration/test_gateway_operation.py",
            "tests/integration/test_gateway_bad_input.py",
        ),
    ),
    Promise(
        number=10,
        title="When faults stop, work finishes",
        text="Every order reaches a terminal state.",
        tests=(
            "tests/simulation/test_seeds.py",
            "tests/simulation/test_planted_bugs.py",
            "tests/unit/market/engine/test_silence.py",
            "tests/unit/market/engine/test_operation.py",
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A benchmark whose JSON holds a figure: ``arguments`` of ``python -m``, and how it reads."""

    promise: int
    what: str
    goal: str
    arguments: tuple[str, ...]
    show: str


FIGURES = (
    Figure(
        promise=1,
        what="sheets of 17 bids from 20 partners, signed, to a durable receipt",
        goal="600 a second, p99 at most 100 ms; 10,000 bids a second",
        arguments=("benchmarks.partners.bench_sheets", "--rates", "600", "--seconds", "10"),
        show="{0[per_s]:.0f}/s, {bids:.0f} bids/s, p99 {0[p99_ms]:.0f} ms, {0[cpu_ms]:.2f} ms of CPU a sheet",
    ),
    Figure(
        promise=9,
        what="p99 of 20 honest partners beside a flood at ten times its rate, a slow and a malformed one",
        goal="at most 2 times that with the same load elsewhere",
        arguments=("benchmarks.partners.bench_abuse", "--seconds", "10"),
        show="{ratio:.2f} times ({here_p99_ms:.0f} ms after {elsewhere_p99_ms:.0f} ms)",
    ),
    Figure(
        promise=10,
        what="nats-server restarted, partition healed: time to the next receipt",
        goal="at most 3 s each",
        arguments=("benchmarks.partners.bench_links", "--rounds", "3"),
        show="{restart_s:.2f} s, {heal_s:.2f} s",
    ),
)
