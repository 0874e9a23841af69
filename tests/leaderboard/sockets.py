"""Where processes listen."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def listening_of(group: int) -> set[str]:
    """Where the processes of a group listen, from Linux's tables."""
    sockets = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if os.getpgid(int(process.name)) == group:
                sockets |= {link.readlink().name for link in (process / "fd").iterdir()}
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                host, _, port = fields[1].partition(":")
                # IPv4 is written as a little-endian number; any IPv6 address is left as it is, and is one too many.
                name = socket.inet_ntoa(bytes.fromhex(host)[::-1]) if table == "tcp" else host
                listening.add(f"{name}:{int(port, 16)}")
    return listening
