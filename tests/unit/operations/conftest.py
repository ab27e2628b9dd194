"""Where the pieces of other rooms' tests stand that are used here."""

from __future__ import annotations

import sys
from pathlib import Path

UNIT = Path(__file__).parents[1]
sys.path[:0] = [str(UNIT / "issuing"), str(UNIT / "api")]
