"""Users of containers, looked up in their own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.containers.users import User, resolve_user
from engine.errors import InvalidArgument

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n#no:x:1:1\nweb:x:1000:1001:Web:/home/web:/bin/sh\nbroken\n5:x:77:78::/five:/x\n"
)
GROUP = "root:x:0:\nwebs:x:1001:\nextra:x:2000:root,web\nother:x:2001:web\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


@pytest.mark.parametrize(
    ("user", "add", "expected"),
    [
        ("", (), User(0, 0, (0, 2000), "/root")),
        ("0", (), User(0, 0, (0, 2000), "/root")),
        ("web", (), User(1000, 1001, (1001, 2000, 2001), "/home/web")),
        ("1000", (), User(1000, 1001, (1001, 2000, 2001), "/home/web")),
        ("web:extra", (), User(1000, 2000, (2000,), "/home/web")),
        ("web:5", (), User(1000, 5, (5,), "/home/web")),
        ("4711", (), User(4711, 0, (0,), "")),
        ("4711:4712", (), User(4711, 4712, (4712,), "")),
        ("5", (), User(77, 78, (78,), "/five")),
        ("4711:webs", ("extra", "9", "webs"), User(4711, 1001, (1001, 2000, 9), "")),
    ],
)
def test_identity(root: Path, user: str, add: tuple[str, ...], expected: User) -> None:
    assert resolve_user(user, add, root) == expected


@pytest.mark.parametrize(
    ("user", "add", "text"),
    [
        ("nobody", (), "unable to find user nobody: no matching entries in passwd file"),
        ("web:nogroup", (), "unable to find group nogroup: no matching entries in group file"),
        ("", ("nogroup",), "unable to find group nogroup: no matching entries in group file"),
        ("4294967296", (), "uids and gids must be in range 0-2147483647"),
    ],
)
def test_unknown_names_are_refused_in_dockers_words(root: Path, user: str, add: tuple[str, ...], text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve_user(user, add, root)
    assert str(caught.value) == text


def test_root_without_files_is_root(tmp_path: Path) -> None:
    assert resolve_user("", (), tmp_path) == User(0, 0, (0,), "")


def test_link_out_of_the_root_reads_inside_it(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "passwd"
    outside.write_text("evil:x:666:666::/:/x\n")
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").symlink_to(outside)
    with pytest.raises(InvalidArgument, match="unable to find user evil"):
        resolve_user("evil", (), root)
