"""The browser UI's own unit tests (vitest), as part of the one test command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_browser_uis_unit_tests_pass() -> None:
    done = subprocess.run(
        ["scripts/node", "npm", "--prefix", "static", "run", "--silent", "test"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
