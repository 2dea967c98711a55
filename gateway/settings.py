"""What an operator sets about a gateway. Every limit bounds what one client can make it hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Limits and secrets of a gateway; the defaults suit a market on one machine.

    Attributes
    ----------
    operator_key_sha256
        SHA-256 (lower-case hex) of the operator's key; None closes the operator's routes.
    metrics_key_sha256
        SHA-256 of a key that opens ``/metrics`` and nothing else; the operator's key opens it too.
    max_body_bytes
        Largest request body.
    body_timeout_s
        Time within which a request's body must have arrived.
    answer_timeout_s
        Time that the market has for an answer; after it the client is told to repeat its request.
    max_in_flight_per_customer
        Requests of one customer that may wait for the market at once.
    requests_per_s, request_burst
        How many requests a customer may send: a token bucket; 0 a second is no limit.
    free_guesses, guesses_per_s, guess_delay_s, max_guesses_waiting
        Wrong keys of one address that are answered at once, in a burst and in the long run; how long the
        answer to others takes, and how many of them may wait.
    max_streams, max_streams_per_customer
        Open event streams.
    stream_heartbeat_s
        Silence on a stream after which its order is read again and a comment sent.
    stream_max_age_s
        Age at which a stream ends; clients resume by ``Last-Event-ID``.
    stream_send_timeout_s
        Time within which a client must take what was sent to it.
    """

    operator_key_sha256: str | None = None
    metrics_key_sha256: str | None = None
    max_body_bytes: int = 262_144
    body_timeout_s: float = 20.0
    answer_timeout_s: float = 30.0
    max_in_flight_per_customer: int = 1_000
    requests_per_s: float = 500.0
    request_burst: int = 2_000
    free_guesses: int = 20
    guesses_per_s: float = 1.0
    guess_delay_s: float = 1.0
    max_guesses_waiting: int = 16
    max_streams: int = 1_000
    max_streams_per_customer: int = 32
    stream_heartbeat_s: float = 10.0
    stream_max_age_s: float = 900.0
    stream_send_timeout_s: float = 20.0
