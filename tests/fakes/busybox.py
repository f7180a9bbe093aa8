"""A root file system of the machine's busybox, and the smallest OCI spec that runs in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_DEVICES = ("nosuid", "strictatime", "mode=755", "size=65536k")


def make_rootfs(folder: Path) -> Path:
    """Fill `folder` with busybox, its applets as links, and the files that a process expects."""
    program = shutil.which("busybox")
    assert program, "busybox is needed: apt install busybox-static"
    folder.chmod(0o755)
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(program, folder / "bin/busybox")
    for applet in subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (folder / "bin" / applet).symlink_to("busybox")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\nweb:x:1000:\nextra:x:2000:web\n")
    return folder


def make_spec(rootfs: Path, cgroup: str, argv: Sequence[str], *, tty: bool = False) -> dict[str, Any]:
    """Return an OCI spec with namespaces of its own and nothing else."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": tty,
            "user": {"uid": 0, "gid": 0},
            "args": list(argv),
            "env": ["PATH=/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "root": {"path": str(rootfs)},
        "hostname": "test",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": list(_DEVICES)},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance"]},
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
        },
    }
