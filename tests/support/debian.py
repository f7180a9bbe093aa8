"""A Debian base made by debootstrap and packed by umoci and by buildah; all cached, since it takes a minute.

BERTH_TEST_CACHE (default /var/cache/berth-tests) holds the tree and the two OCI layouts.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("BERTH_TEST_CACHE", "/var/cache/berth-tests"))
SUITE = "bookworm"


def tree() -> Path:
    """Return the root file system of a minimal Debian."""
    return _cached(SUITE, lambda target: _run("debootstrap", "--variant=minbase", SUITE, target))


def umoci_layout() -> Path:
    """Return an OCI layout with the image `debian`, packed by umoci: OCI manifest, gzip layer."""
    return _cached(f"{SUITE}-umoci", _pack_with_umoci)


def buildah_layout() -> Path:
    """Return an OCI layout with the image `debian`, packed by buildah."""
    return _cached(f"{SUITE}-buildah", _pack_with_buildah)


def buildah(folder: Path, *arguments: str | Path) -> str:
    """Run buildah with its own storage in `folder`; return what it prints."""
    roots = ("--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "vfs")
    return _run("buildah", *roots, *arguments).strip()


def _pack_with_umoci(target: Path) -> None:
    _run("umoci", "init", "--layout", target)
    _run("umoci", "new", "--image", f"{target}:debian")
    _run("umoci", "insert", "--image", f"{target}:debian", tree(), "/")
    _run("umoci", "config", "--image", f"{target}:debian", "--config.cmd", "/bin/bash")


def _pack_with_buildah(target: Path) -> None:
    storage = target.with_name(f"{target.name}-storage")
    try:
        container = buildah(storage, "from", "scratch")
        archive = storage / "debian.tar"  # of a folder, buildah would lose the groups
        _run("tar", "-C", tree(), "--numeric-owner", "--xattrs", "-cf", archive, ".")
        buildah(storage, "add", "-q", container, archive, "/")
        buildah(storage, "config", "--cmd", "/bin/bash", container)
        buildah(storage, "commit", "-q", container, f"oci:{target}:debian")
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _cached(name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of the cache; make it aside and rename it where it is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    done, new = CACHE / name, CACHE / f"{name}.new"
    with _locked(CACHE / f"{name}.lock"):
        if not done.is_dir():
            shutil.rmtree(new, ignore_errors=True)
            make(new)
            new.rename(done)
    return done


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*argv: str | Path) -> str:
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    assert done.returncode == 0, f"{argv}: {done.stderr[-2000:]}"
    return done.stdout
