"""What may not be in a file of the repository, and what must."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

REGISTRY = re.compile(
    r"registry\.npmjs\.org|registry\.yarnpkg\.com|pypi\.org|pythonhosted\.org|deb\.debian\.org|--index-url|--find-links"
)
"""Where packages come from is the machine's configuration, never ours."""
OUTSIDE = re.compile(r"(?<![\w.])/work/|\.\./shared|/tmp/plan")
"""Paths of a workplace: a stranger's clone has only the repository."""


def tracked() -> list[Path]:
    """Return the files that git knows."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [REPOSITORY / name for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every tracked text file but this one, by path."""
    found = {}
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data and path != Path(__file__).resolve():
            found[str(path.relative_to(REPOSITORY))] = data.decode()
    return found


def test_no_file_names_a_package_registry(texts: dict[str, str]) -> None:
    assert not [path for path, text in texts.items() if REGISTRY.search(text)]


def test_no_file_reaches_outside_the_repository(texts: dict[str, str]) -> None:
    assert not [path for path, text in texts.items() if OUTSIDE.search(text)]


def test_the_lock_file_pins_by_hash_and_not_by_address() -> None:
    lock = json.loads((REPOSITORY / "static/package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        if name.startswith("node_modules/") and not package.get("link"):
            assert package.get("integrity", "").startswith("sha512-"), name


def test_requirements_are_pinned_exactly() -> None:
    for path in REPOSITORY.glob("requirements*.txt"):
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*( *;.*)?", line), f"{path.name}: {line}"


def test_no_package_is_pinned_in_two_files() -> None:
    seen: dict[str, str] = {}
    for path in sorted(REPOSITORY.glob("requirements*.txt")):
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                name = re.sub("[._-]+", "-", line.partition("==")[0].lower())
                assert name not in seen, f"{name} is in {seen[name]} and {path.name}"
                seen[name] = path.name


def test_text_files_are_clean(texts: dict[str, str]) -> None:
    for path, text in texts.items():
        if path.startswith(("static/public/", "tests/contract/")):
            continue
        assert "\r" not in text, path
        assert not text or text.endswith("\n"), path
        assert "<<<<<<<" not in text, path


def test_scripts_are_executable() -> None:
    done = subprocess.run(["git", "ls-files", "-s", "scripts", ".ci"], cwd=REPOSITORY, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        mode, _, _, path = line.split(maxsplit=3)
        if Path(path).suffix in ("", ".sh"):
            assert mode == "100755", path


def test_built_things_are_not_committed() -> None:
    for path in tracked():
        relative = path.relative_to(REPOSITORY)
        assert not {"node_modules", "__pycache__", ".venv"} & set(relative.parts), relative
        assert not relative.is_relative_to("static/dist"), relative
        assert path.stat().st_size < 1 << 20, relative


def test_links_in_the_docs_lead_somewhere(texts: dict[str, str]) -> None:
    for path, text in texts.items():
        if not path.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not target.startswith(("http:", "https:", "mailto:")):
                assert ((REPOSITORY / path).parent / target).exists(), f"{path} → {target}"
