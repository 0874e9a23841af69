"""How and where tensors are computed: threads and the allocator, devices, precision, and what a machine is good at."""

from fakeoff.arena.compute.device import (
    CPU,
    Device,
    DeviceName,
    GpuMemoryError,
    Precision,
    autocast,
    channels_last,
    device_of,
    image_layout,
    in_batches,
    move,
    torch_device,
)
from fakeoff.arena.compute.machine import SWITCHES, Machine, describe, survey
from fakeoff.arena.compute.precision import Speeds, faster, measure
from fakeoff.arena.compute.process import (
    keep_memory,
    prepare_process,
    quiet_threads,
    reset_modes,
    share_memory,
    undisturbed,
)
from fakeoff.arena.compute.secrets import is_secret, less_secrets, without_secrets

__all__ = [
    "CPU",
    "SWITCHES",
    "Device",
    "DeviceName",
    "GpuMemoryError",
    "Machine",
    "Precision",
    "Speeds",
    "autocast",
    "channels_last",
    "describe",
    "device_of",
    "faster",
    "image_layout",
    "in_batches",
    "is_secret",
    "keep_memory",
    "less_secrets",
    "measure",
    "move",
    "prepare_process",
    "quiet_threads",
    "reset_modes",
    "share_memory",
    "survey",
    "torch_device",
    "undisturbed",
    "without_secrets",
]
