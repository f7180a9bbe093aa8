"""Remote sources of builds where there are none: refused by name."""

from __future__ import annotations

import re
from pathlib import Path

from engine.build import model
from engine.errors import Unsupported
from engine.services.build_job import Fetched, Stop

_REMOTE = re.compile(r"(?:https?|git|ssh)://|git@|.*\.git(?:#.*)?\Z")


class NoRemote:
    """Meets `builds.Remote`; brings nothing."""

    def is_remote(self, source: str) -> bool:
        """Say whether a source is none of the context."""
        return bool(_REMOTE.match(source))

    def fetch(self, source: str, add: model.Add, folder: Path, stop: Stop) -> Fetched:
        """Refuse."""
        raise Unsupported(f"ADD {source}: remote sources are not supported by Berth")

    def context(self, address: str, dockerfile: str, folder: Path, stop: Stop) -> tuple[Path, str]:
        """Refuse."""
        raise Unsupported("remote build contexts (remote): not supported by Berth")
