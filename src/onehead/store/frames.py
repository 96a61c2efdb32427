"""Records in a file that may end, or be damaged, anywhere.

Each frame is a mark of two bytes, the length and the CRC-32 of its payload (little-endian), and the
payload; what lies behind the last frame is zeros. A reader that meets anything else looks for the next
mark whose checksum holds, so damage costs only the records that it touches.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from mmap import mmap

HEADING: Final = b"onehead journal 1\n"
"""The first bytes of a file; another number means another format."""
_MARK: Final = b"\xd1\x0e"
_HEAD: Final = struct.Struct("<2sII")
OVERHEAD: Final = _HEAD.size
"""What a frame takes beside its payload."""


def put_frame(into: mmap, place: int, payload: bytes) -> int:
    """Write a frame at `place`; where the next one goes.

    The payload goes first: who is killed in between leaves no head that promises more than there is.
    """
    begin = place + OVERHEAD
    end = begin + len(payload)
    into[begin:end] = payload
    _HEAD.pack_into(into, place, _MARK, len(payload), crc32(payload))
    return end


def payloads(data: bytes, start: int = 0) -> tuple[list[bytes], int]:
    """The sound payloads from `start` on, and how many damaged places there are between them."""
    found: list[bytes] = []
    damaged, whole = 0, True
    place, size, used = start, len(data), len(data.rstrip(b"\0"))
    while place < used:
        if place + _HEAD.size <= size:
            mark, length, checksum = _HEAD.unpack_from(data, place)
            begin = place + _HEAD.size
            end = begin + length
            if mark == _MARK and end <= size:
                payload = data[begin:end]
                if crc32(payload) == checksum:
                    found.append(payload)
                    place, whole = end, True
                    continue
        damaged += whole
        whole = False
        following = data.find(_MARK, place + 1)
        place = following if following >= 0 else size
    return found, damaged
