"""The configuration: typed, every field with a unit and a default; and how it is computed."""

from fakeoff.protocols.config.config import (
    LIMITS,
    Arena,
    Attack,
    Audit,
    Compute,
    Defend,
    Parts,
    PlayedProtocol,
    Player,
    Pools,
    Reals,
    Score,
    Search,
    TournamentConfig,
    parse_config,
)
from fakeoff.protocols.config.reading import (
    effective_config,
    merge,
    parse_settings,
    print_config,
    read_config,
)

__all__ = [
    "LIMITS",
    "Arena",
    "Attack",
    "Audit",
    "Compute",
    "Defend",
    "Parts",
    "PlayedProtocol",
    "Player",
    "Pools",
    "Reals",
    "Score",
    "Search",
    "TournamentConfig",
    "effective_config",
    "merge",
    "parse_config",
    "parse_settings",
    "print_config",
    "read_config",
]
