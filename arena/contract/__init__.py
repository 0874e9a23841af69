"""The contract: what every player must keep to, and how that is tried."""

from fakeoff.arena.contract.contract import (
    Check,
    Contract,
    PlayerT,
    ValueT,
    run_contract,
    title,
)

__all__ = [
    "Check",
    "Contract",
    "PlayerT",
    "ValueT",
    "run_contract",
    "title",
]
