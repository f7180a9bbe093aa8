"""The test tree is the source tree: a unit test is found without searching."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
UNIT = REPOSITORY / "tests/unit"

SEVERAL = {
    "engine/api/wire/test_create.py": "a create request is read by config.py and host_config.py together",
    "engine/images/test_image_documents.py": "manifests, configurations, histories: the documents of an image together",
}
"""Tests of several modules at once → which."""


def test_a_unit_test_lies_where_its_module_lies() -> None:
    lost = []
    for path in sorted(UNIT.rglob("test_*.py")):
        relative = path.relative_to(UNIT)
        if str(relative) in SEVERAL:
            continue
        name = relative.name.removeprefix("test_").removesuffix(".py")
        folder = REPOSITORY / relative.parent
        # test_spec_mounts.py may test spec.py's part about mounts; test_wire.py the package wire/.
        parts = name.split("_")
        stems = {"_".join(parts[:end]) for end in range(1, len(parts) + 1)}
        if not any((folder / f"{stem}.py").exists() or (folder / stem).is_dir() for stem in stems):
            lost.append(str(relative))
    assert not lost


def test_every_test_file_is_collected() -> None:
    roots = {"architecture", "contract", "e2e", "root", "unit", "migrations"}
    for path in sorted((REPOSITORY / "tests").rglob("test_*.py")):
        assert path.relative_to(REPOSITORY / "tests").parts[0] in roots, path
