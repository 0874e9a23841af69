"""The recipe of the protocol that a configuration names."""

from __future__ import annotations

import re

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols import protocols
from fakeoff.protocols.config import TournamentConfig

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}")


def protocol_spec(config: TournamentConfig, name: str = "") -> PlayerSpec:
    """The protocol's recipe, checked and completed. Unlike a player it has no weights.

    Args:
        config: With the protocol and its parameters.
        name: What it is called here; by default as the configuration says, or else its plugin's name, or that of its
            class.

    Raises:
        ConfigError: The name cannot be a file's.
        PluginError: There is no such protocol, or it takes other parameters.
    """
    plugin = config.protocol.plugin
    title = name or config.protocol.name or plugin.rpartition(":")[2]
    if not _NAME.fullmatch(title):
        raise ConfigError(f"'{title}' cannot be the name of an experiment: use letters, digits and _ . -, 64 at most")
    return PlayerSpec(
        name=title,
        plugin=plugin,
        parameters=protocols.complete(plugin, config.protocol.parameters),
        fingerprint=protocols.fingerprint(plugin),
        provision=protocols.provision(plugin),
    )


__all__ = ["protocol_spec"]
