"""Small files of a launch."""

from __future__ import annotations

import json
from pathlib import Path

from engine.runtime import bundle, exits


def test_bundle_has_spec_and_cgroup(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    bundle.write(folder, {"linux": {"cgroupsPath": "/berth/x"}})
    assert json.loads((folder / "config.json").read_text())["linux"]["cgroupsPath"] == "/berth/x"
    assert bundle.get(folder / "cgroup") == "/berth/x"
    assert (folder.stat().st_mode & 0o777, (folder / "config.json").stat().st_mode & 0o777) == (0o700, 0o600)
    bundle.remove(folder)
    bundle.remove(folder)
    assert not folder.exists()


def test_pid_files(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("42\n")
    (tmp_path / "bad").write_text("")
    assert [bundle.get_pid(tmp_path / name) for name in ("pid", "bad", "none")] == [42, 0, 0]


def test_exit_file_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "c1").write_text("3")
    notice = exits.read(tmp_path, "c1", exec_id="e", oom_killed=True)
    assert notice is not None
    assert (notice.container_id, notice.exec_id, notice.exit_code, notice.oom_killed) == ("c1", "e", 3, True)
    assert notice.time_ns == (tmp_path / "c1").stat().st_mtime_ns


def test_unreadable_exit_code_counts_as_lost(tmp_path: Path) -> None:
    (tmp_path / "c1").write_text("")
    (tmp_path / "c2").write_text("-1")
    codes = [notice.exit_code for name in ("c1", "c2") if (notice := exits.read(tmp_path, name))]
    assert codes == [exits.LOST, exits.LOST]
    exits.forget(tmp_path, "c1")
    exits.forget(tmp_path, "c1")
    assert exits.read(tmp_path, "c1") is None
