"""Records in a file that may end, or be damaged, anywhere.

Each frame is a mark of two bytes, the length and the CRC-32 of its payload (little-endian), and the
payload. A reader that meets anything else looks for the next mark whose checksum holds, so damage
costs only the records that it touches.
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

HEADING: Final = b"onehead journal 1\n"
"""The first bytes of a file; another number means another format."""
_MARK: Final = b"\xd1\x0e"
_HEAD: Final = struct.Struct("<2sII")


def frame(payload: bytes) -> bytes:
    """A payload with what a reader needs to find it and to trust it."""
    return _HEAD.pack(_MARK, len(payload), crc32(payload)) + payload


def payloads(data: bytes, start: int = 0) -> tuple[list[bytes], int]:
    """The sound payloads from `start` on, and how many damaged places there are between them."""
    found: list[bytes] = []
    damaged, whole = 0, True
    place, size = start, len(data)
    while place < size:
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
