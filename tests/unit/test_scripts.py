"""scripts/setup: what is installed is not installed again."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def test_setup_does_nothing_the_second_time_and_quickly() -> None:
    # `make test` has run it before the tests.
    started = time.monotonic()
    done = subprocess.run([REPOSITORY / "scripts/setup", "test"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - started < 2


def test_setup_refuses_an_unknown_word() -> None:
    done = subprocess.run([REPOSITORY / "scripts/setup", "everything"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: scripts/setup [run|test]\n")


@pytest.mark.parametrize("script", ["scripts/setup", "scripts/node", ".ci/run"])
def test_scripts_parse(script: str) -> None:
    done = subprocess.run(["bash", "-n", REPOSITORY / script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_make_help_lists_every_documented_target() -> None:
    done = subprocess.run(["make", "--no-print-directory"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for target in ("run", "test", "setup", "check", "bench", "fmt", "help"):
        assert f"make {target} " in done.stdout
