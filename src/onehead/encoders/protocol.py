"""What every encoder is to the rest of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Encoder(Protocol):
    """Turns texts into vectors.

    A text gets the same vector alone and in a batch, and always a finite one; what an encoder gives
    for a text without any known token (the empty one, for instance) is said by its class.
    """

    @property
    def name(self) -> str:
        """The specification it was loaded from, such as ``static``."""
        ...

    @property
    def hash(self) -> str:
        """SHA-256, in hexadecimal, of everything that determines its vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dimension] of `n` texts; n may be 0."""
        ...
