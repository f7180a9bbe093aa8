"""Test images, made from the machine's own static busybox as a docker archive (`docker load`, `skopeo copy`)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
app:x:1000:1000:An application:/home/app:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
"""
GROUP = """root:x:0:
daemon:x:1:
extra:x:2000:app
app:x:1000:
nogroup:x:65534:
"""
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

PLAIN: dict[str, Any] = {
    "Cmd": ["sh"],
    "Env": [PATH, "FROM_IMAGE=yes"],
    "Labels": {"from.image": "yes"},
}
"""testbox:latest, the image of most tests."""
FULL: dict[str, Any] = {
    "Entrypoint": ["/bin/echo", "entry"],
    "Cmd": ["default"],
    "Env": [PATH, "FROM_IMAGE=yes"],
    "User": "app",
    "WorkingDir": "/home/app",
    "Volumes": {"/seeded": {}},
    "ExposedPorts": {"8000/tcp": {}},
    "Labels": {"from.image": "yes", "kind": "full"},
    "StopSignal": "SIGUSR1",
}
"""testbox:full: everything that an image can preset."""


def busybox() -> Path:
    """Return the machine's static busybox."""
    for path in (Path("/bin/busybox"), Path("/usr/bin/busybox")):
        if path.exists():
            return path
    found = shutil.which("busybox")
    assert found, "busybox-static is not installed; scripts/setup test does that"
    return Path(found)


def rootfs_layer() -> bytes:
    """Return a layer (tar) with busybox, its links, users, and a folder that belongs to a user."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in (
            ("bin", 0o755), ("etc", 0o755), ("home", 0o755), ("root", 0o700), ("proc", 0o755), ("sys", 0o755),
            ("dev", 0o755), ("tmp", 0o1777), ("var", 0o755), ("usr", 0o755), ("www", 0o755),
        ):  # fmt: skip
            _folder(tar, folder, mode)
        _folder(tar, "home/app", 0o755, owner=1000)
        _folder(tar, "seeded", 0o750, owner=1000)
        _file(tar, "seeded/hello", b"from the image\n", owner=1000)
        _file(tar, "etc/passwd", PASSWD.encode())
        _file(tar, "etc/group", GROUP.encode())
        _file(tar, "www/index.html", b"hello from the container\n")
        _file(tar, "not-executable", b"#!/bin/sh\necho no\n")
        binary = busybox()
        _file(tar, "bin/busybox", binary.read_bytes(), mode=0o755)
        listed = subprocess.run([binary, "--list"], capture_output=True, text=True, check=True)
        for applet in listed.stdout.split():
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
    return buffer.getvalue()


def write_archive(target: Path, name: str = "testbox") -> None:
    """Write a docker archive with NAME:latest and NAME:full, which share their first layer."""
    base = rootfs_layer()
    extra = io.BytesIO()
    with tarfile.open(fileobj=extra, mode="w") as tar:
        _file(tar, "etc/full", b"this image has presets\n")
    write(target, {f"{name}:latest": (PLAIN, [base]), f"{name}:full": (FULL, [base, extra.getvalue()])})


def write(target: Path, tagged: Mapping[str, tuple[dict[str, Any], list[bytes]]]) -> None:
    """Write a docker archive of images: tag → (configuration, layers as tars, base first)."""
    with tarfile.open(target, "w") as tar:
        manifest = [_image(tar, tag, config, layers) for tag, (config, layers) in tagged.items()]
        _file(tar, "manifest.json", json.dumps(manifest).encode())


def push(archive: Path, registry: str, name: str = "testbox") -> None:
    """Push both tags of an archive to a plain HTTP registry (host:port)."""
    for tag in ("latest", "full"):
        subprocess.run(
            ["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false",
             f"docker-archive:{archive}:{name}:{tag}", f"docker://{registry}/{name}:{tag}"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip


def gzipped(data: bytes) -> bytes:
    """Return `data` compressed the same way each time."""
    return gzip.compress(data, compresslevel=1, mtime=0)


def _image(tar: tarfile.TarFile, tag: str, config: dict[str, Any], layers: list[bytes]) -> dict[str, Any]:
    names = []
    for layer in layers:
        name = f"{hashlib.sha256(layer).hexdigest()}.tar"
        if name not in tar.getnames():
            _file(tar, name, layer)
        names.append(name)
    text = json.dumps(
        {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{name.removesuffix('.tar')}" for name in names]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": f"layer {i}"} for i in range(len(names))],
        }
    ).encode()
    config_name = f"{hashlib.sha256(text).hexdigest()}.json"
    _file(tar, config_name, text)
    return {"Config": config_name, "RepoTags": [tag], "Layers": names}


def _folder(tar: tarfile.TarFile, name: str, mode: int, owner: int = 0) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
    tar.addfile(info)


def _file(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644, owner: int = 0) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.uid, info.gid = len(data), mode, owner, owner
    tar.addfile(info, io.BytesIO(data))
