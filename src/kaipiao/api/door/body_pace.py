"""How long a caller may take over a body. Only the time in which it is waited for counts."""

from __future__ import annotations

from dataclasses import dataclass

GRACE_SECONDS = 10.0  # before the rate counts


@dataclass(frozen=True, slots=True)
class BodyPace:
    """`seconds`: for a whole body, and for each piece of a batch. `least`: bytes a second, on the average."""

    seconds: float = 30.0
    least: float = 1024.0

    def of_body(self, received: int) -> float:
        """Seconds from its beginning within which a body of which so many bytes came must go on or end."""
        return min(self.seconds, self.earned(received))

    def earned(self, received: int) -> float:
        """Seconds that so many bytes may have been waited for."""
        return GRACE_SECONDS + received / self.least
