"""Keys of a market's hosted companies: their seeds, their admissions, their credentials.

In a scenario run the seeds come from the scenario's own stream, so that a journal is the same in every run;
such keys protect nothing and are never used in a live market.
"""

from __future__ import annotations

from dataclasses import replace

from market.adapters.nats_issuer import Issuer
from market.model.commands import AdmitParticipant
from scenarios.chance import stream
from takt_sdk.nats.creds import creds_text
from takt_sdk.signing import SEED_BYTES, Signer, user_seed


def scenario_signer(seed: int, participant: str) -> Signer:
    """Return the signer of a company in a scenario run."""
    return Signer(scenario_seed(seed, participant))


def scenario_seed(seed: int, participant: str) -> str:
    """Return the nkey seed of a company in a scenario run."""
    return user_seed(stream(seed, "signing key", participant).randbytes(SEED_BYTES))


def with_key(admission: AdmitParticipant, nkey_seed: str) -> AdmitParticipant:
    """Return an admission under the public half of a seed."""
    return replace(admission, signing_key=Signer(nkey_seed).key)


def creds_of(issuer: Issuer, participant: str, nkey_seed: str) -> str:
    """Return credentials for the key of a seed: the company connects and signs with the same key."""
    return creds_text(issuer.issue(participant, user_key=Signer(nkey_seed).key).strip(), nkey_seed)
