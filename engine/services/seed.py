"""The offline first run: a busybox image made from the machine's own static busybox.

A real image like any other: one layer, made as a tar here and unpacked by the same code. Its configuration holds no
time but the program's own, so that the same busybox gives the same image.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from engine.clock import render_ns
from engine.errors import BerthError
from engine.images.config import ImageDocument, render_document
from engine.images.model import HistoryEntry, ImageLayer
from engine.kernel import command
from engine.refs import Platform, Reference, digest_of
from engine.services.gc import Garbage
from engine.services.images import Images, Origin
from engine.storage.content import Content
from engine.storage.layers import Layers
from engine.values import ImageConfig, Scope

_NAME = "busybox:latest"
_FOLDERS = {"bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o755, "root": 0o700, "sys": 0o755,
            "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "var": 0o755, "var/tmp": 0o1777}  # fmt: skip
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hostname": "",
    "etc/hosts": "",
    "etc/resolv.conf": "",
}
_log = logging.getLogger(__name__)


class Seed:
    """Makes the busybox image where the store is empty."""

    def __init__(self, images: Images, content: Content, layers: Layers, garbage: Garbage) -> None:
        self._images = images
        self._content = content
        self._layers = layers
        self._garbage = garbage

    def ensure(self, scope: Scope) -> bool:
        """Make `busybox:latest` when no image exists at all; say whether it was made.

        No static busybox on this machine, or any failure, is logged and no error: the engine runs without.
        """
        program = find_static_busybox()
        if not self._images.is_empty() or program is None:
            return False
        try:
            self._make(scope, program)
        except (BerthError, OSError) as error:
            _log.warning("busybox image not made: %s", error)
            return False
        _log.info("busybox image made from %s", program)
        return True

    def _make(self, scope: Scope, program: Path) -> None:
        mtime = int(program.stat().st_mtime)
        with self._garbage.lease() as lease:
            staged = self._layers.stage(iter([root_tar(program, applets(program), mtime)]))
            created = render_ns(mtime * 1_000_000_000)
            platform = Platform.host()
            document = render_document(
                ImageDocument(
                    config=ImageConfig(
                        env=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",), cmd=("sh",)
                    ),
                    diff_ids=(staged.diff_id,),
                    architecture=platform.architecture,
                    os=platform.os,
                    variant=platform.variant,
                    created=created,
                    history=(HistoryEntry(created=created, created_by=f"made from this machine's {program}"),),
                )
            )
            lease.keep(staged.diff_id, digest_of(document))
            self._layers.commit(staged, staged.diff_id, "")
            self._content.put(document)
            layer = ImageLayer(staged.diff_id, staged.diff_id, staged.size)
            name = Reference.parse(_NAME)
            self._images.adopt(scope, document, [layer], [name], Origin("import", name=name.familiar))


def find_static_busybox() -> Path | None:
    """Return the machine's busybox if it is there and needs no shared libraries, else None."""
    found = shutil.which("busybox")
    if found is None:
        return None
    program = Path(os.path.realpath(found))
    with program.open("rb") as file:
        head = file.read(4096)
    # A dynamic ELF program names its loader (PT_INTERP) within the first page.
    return program if head.startswith(b"\x7fELF") and b"/ld-" not in head else None


def applets(program: Path) -> list[str]:
    """Return the names of the commands that this busybox has."""
    listed = command.run([str(program), "--list"], timeout=10).text
    return [name for name in listed.split() if "/" not in name and name != "busybox"]


def root_tar(program: Path, names: list[str], mtime: int) -> bytes:
    """Return the tar of a root file system with busybox in /bin and a link for each applet."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in _members(program, names):
            info.mtime = mtime
            archive.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def _members(program: Path, names: list[str]) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    for name, mode in _FOLDERS.items():
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, mode
        yield info, None
    files = {name: (text.encode(), 0o644) for name, text in _FILES.items()}
    for name, (data, mode) in {"bin/busybox": (program.read_bytes(), 0o755), **files}.items():
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), mode
        yield info, data
    for name in sorted(names):
        info = tarfile.TarInfo(f"bin/{name}")
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, "busybox", 0o777
        yield info, None
    env = tarfile.TarInfo("usr/bin/env")
    env.type, env.linkname, env.mode = tarfile.SYMTYPE, "../../bin/busybox", 0o777
    yield env, None
