"""Images pass through, they are not held: an image many times larger than the memory allowed is loaded and saved.

In a process of its own, whose high-water mark is then only this work's. Content is random, so that nothing packs small.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.fakes.image_store import SCOPE, config_of, opened

SIZE = 256 << 20
ALLOWED = 64 << 20


class Archive:
    """A `docker save` archive with one layer of one large file, made as it is read."""

    def __init__(self) -> None:
        block = os.urandom(1 << 20)
        head = tarfile.TarInfo("big")
        head.size = SIZE
        self._inner = [head.tobuf(), *([block] * (SIZE >> 20)), bytes(1024)]
        self._parts = iter(self._all())
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        if not self._left:
            self._left = next(self._parts, b"")
        data, self._left = self._left[:size], self._left[size:]
        return data

    def _all(self) -> list[bytes]:
        digest = hashlib.sha256()
        for part in self._inner:
            digest.update(part)
        config = json.loads(config_of([]))
        config["rootfs"]["diff_ids"] = [f"sha256:{digest.hexdigest()}"]
        entry = [{"Config": "c.json", "RepoTags": ["big:1"], "Layers": ["l.tar"]}]
        length = sum(map(len, self._inner))
        outer = [_head("l.tar", length), *self._inner, bytes(-length % 512)]
        for name, value in (("c.json", config), ("manifest.json", entry)):
            data = json.dumps(value).encode()
            outer += [_head(name, len(data)), data, bytes(-len(data) % 512)]
        return [part for part in (*outer, bytes(1024)) if part]


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf()


def main(folder: str) -> None:
    """Load and save, and print by how much the high-water mark grew in each, and the bytes saved."""
    archive = Archive()
    with opened(Path(folder)) as store:
        marks = [_peak()]
        for _ in store.archives.load(SCOPE, archive):  # type: ignore[arg-type]
            pass
        marks.append(_peak())
        saved = sum(len(piece) for piece in store.archives.save(SCOPE, ["big:1"]))
        marks.append(_peak())
        store.images.remove(SCOPE, "big:1")
    print(json.dumps({"load": marks[1] - marks[0], "save": marks[2] - marks[1], "saved": saved}))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_a_large_image_passes_through_little_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.root.test_image_memory", tmp_path],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    grown = json.loads(done.stdout)
    assert grown["saved"] > SIZE
    assert grown["load"] < ALLOWED, grown
    assert grown["save"] < ALLOWED, grown


if __name__ == "__main__":
    main(sys.argv[1])
