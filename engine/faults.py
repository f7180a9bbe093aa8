"""Named crash points, for the tests that walk them.

`point(name)` does nothing, unless the environment's BERTH_FAULT is that name when the engine starts: then the process
is killed with SIGKILL there. Every point is found by the tests through the source, so a new one is tested by itself.
"""

from __future__ import annotations

import os
import signal

_CHOSEN = os.environ.get("BERTH_FAULT", "")


def point(name: str) -> None:
    """Die here if this point was chosen."""
    if _CHOSEN and name == _CHOSEN:
        os.kill(os.getpid(), signal.SIGKILL)
