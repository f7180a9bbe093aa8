"""Debian's docker-registry on a loopback port: a real registry for tests."""

from __future__ import annotations

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.docker_cli import eventually, free_port

CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
{extra}"""


@contextmanager
def running(folder: Path, *, extra: str = "", port: int | None = None) -> Iterator[str]:
    """Run a registry with its files in `folder`; yield its `127.0.0.1:port`. `extra` is YAML for its configuration."""
    program = shutil.which("docker-registry")
    assert program, "docker-registry is not installed; scripts/setup test does that"
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    config = folder / "registry.yml"
    config.write_text(CONFIG.format(root=folder / "data", port=port, extra=extra))
    log = folder / "registry.log"
    with log.open("wb") as output:
        process = subprocess.Popen([program, "serve", config], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        eventually(lambda: process.poll() is not None or _answers(port), 15, "an answer of docker-registry")
        assert process.poll() is None, log.read_text()[-2000:]
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 401
    except OSError:
        return False
