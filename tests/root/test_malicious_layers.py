"""What a hostile layer or archive can try, class by class: refused or contained, and nothing outside is touched.

Needs root: as root everything would work that is not prevented.
"""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidArgument
from engine.storage.layers import Layers
from engine.storage.paths import Paths
from tests.fakes import tars
from tests.fakes.image_store import opened
from tests.fakes.tars import link, member, tar

Members = list[tuple[tarfile.TarInfo, bytes | None]]


class Lab:
    """A store of layers in a folder, beside a victim that no layer may touch."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(root / "data", root / "run")
        self.paths.ensure()
        self.victim = root / "victim"
        self.victim.mkdir(mode=0o700)
        (self.victim / "secret").write_bytes(b"secret")
        (self.victim / "secret").chmod(0o600)
        self.layers = Layers(self.paths)

    def unpack(self, *members: tuple[tarfile.TarInfo, bytes | None]) -> Path:
        """Unpack a layer, return its files."""
        staged = self.layers.stage(tars.pieces(tar(*members), 4096))
        self.layers.commit(staged, staged.diff_id, "")
        return self.layers.files(staged.diff_id)

    def refuses(self, *members: tuple[tarfile.TarInfo, bytes | None]) -> None:
        """Unpack a layer that must be refused whole."""
        before = self.layers.chains()
        with pytest.raises(InvalidArgument):
            self.unpack(*members)
        assert self.layers.chains() == before
        self.check()

    def check(self) -> None:
        """Fail where the victim is not what it was."""
        assert [p.name for p in self.victim.iterdir()] == ["secret"]
        info = (self.victim / "secret").stat()
        assert (stat.S_IMODE(info.st_mode), info.st_nlink, info.st_uid) == (0o600, 1, 0)
        assert (self.victim / "secret").read_bytes() == b"secret"
        assert stat.S_IMODE(self.victim.stat().st_mode) == 0o700


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Return a lab; the victim is looked at in the end."""
    made = Lab(Path(tempfile.mkdtemp(prefix="berth-hostile-", dir="/var/tmp")))
    yield made
    made.check()
    made.layers.close()
    shutil.rmtree(made.root)


def test_traversal(lab: Lab) -> None:
    up = "../" * 12
    for name in (f"{up}{lab.victim}/evil", f"a/../{up}{lab.victim}/secret", "..", "a/..", f"./{up}x"):
        lab.refuses(member(name, b"x"))


def test_absolute_names(lab: Lab) -> None:
    files = lab.unpack(member(f"{lab.victim}/secret", b"x"), member("///etc//shadow", b"y"))
    assert (files / str(lab.victim)[1:] / "secret").read_bytes() == b"x"
    assert (files / "etc/shadow").read_bytes() == b"y"


def test_symlink_swaps(lab: Lab) -> None:
    victim = str(lab.victim)
    for target in (victim, os.path.relpath(victim, "/"), "../" * 12 + victim[1:]):
        lab.refuses(link("out", target), member("out/evil", b"x"))
        lab.refuses(link("out", target), member("out"), member("out/evil", b"x"), link("out", target), member("out/x"))
        lab.refuses(member("d"), link("d/in", target), member("d/in/secret", b"x"))
    files = lab.unpack(member("out"), member("out/a", b"x"), link("out", victim), member("f", b"x"), link("f", victim))
    assert (files / "out").is_symlink()
    # A file takes a link's place: the link goes, what it points to stays.
    files = lab.unpack(link("s", f"{victim}/secret"), member("s", b"mine", mode=0o777, uid=7))
    assert (files / "s").read_bytes() == b"mine"


def test_a_folder_entry_in_a_links_place_changes_nothing_behind_it(lab: Lab) -> None:
    files = lab.unpack(link("out", str(lab.victim)), member("out", mode=0o777, uid=7, gid=7))
    assert not (files / "out").is_symlink()


def test_hard_link_swaps(lab: Lab) -> None:
    secret = f"{lab.victim}/secret"
    lab.refuses(link("h", secret, hard=True))
    lab.refuses(link("h", "../" * 12 + secret[1:], hard=True))
    lab.refuses(link("out", str(lab.victim)), link("h", "out/secret", hard=True))
    # A second name of a symbolic link is the link's, not that of what it points to.
    lab.refuses(link("s", str(lab.victim)), link("h", "s", hard=True), member("h/evil", b"x"))
    files = lab.unpack(link("s", secret), link("h", "s", hard=True), member("h", b"mine"))
    assert ((files / "h").read_bytes(), (files / "s").is_symlink()) == (b"mine", True)


def test_devices(lab: Lab) -> None:
    files = lab.unpack(
        member("disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0), member("pipe", type=tarfile.FIFOTYPE),
        member("zero", type=tarfile.CHRTYPE, devmajor=0, devminor=0), member("zero", b"a file, not a device"),
    )  # fmt: skip
    # They are nodes in a folder that root alone enters; a container's device rules decide who opens them.
    assert stat.S_ISBLK((files / "disk").stat().st_mode)
    assert stat.S_IMODE(lab.paths.engine.stat().st_mode) == 0o700
    assert (files / "zero").read_bytes() == b"a file, not a device"


def test_setuid_stays_behind_the_engines_door(lab: Lab) -> None:
    files = lab.unpack(member("su", b"#!", mode=0o6755), member("d", mode=0o7777))
    assert stat.S_IMODE((files / "su").stat().st_mode) == 0o6755
    doors = [files.parent, lab.paths.layers, lab.paths.engine]
    assert [stat.S_IMODE(door.stat().st_mode) for door in doors] == [0o700] * 3


def test_bombs_cost_no_memory(lab: Lab) -> None:
    bomb = gzip.compress(tar(member("zeros", bytes(96 << 20))) + bytes(64 << 20))
    assert len(bomb) < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    staged = lab.layers.stage(tars.pieces(bomb, 65536))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert (staged.size, grown < 48 << 20) == (96 << 20, True)
    lab.layers.discard(staged)


def test_headers_that_claim_too_much(lab: Lab) -> None:
    for kind in (b"x", b"L", b"K"):
        info = tarfile.TarInfo("h")
        info.type, info.size = kind, 1 << 40
        with pytest.raises(InvalidArgument, match="extended header"):
            lab.layers.stage([info.tobuf(tarfile.GNU_FORMAT)])
    info = tarfile.TarInfo("f")
    info.size = 1 << 60
    with pytest.raises(InvalidArgument, match="unexpected end"):
        lab.layers.stage([info.tobuf(tarfile.GNU_FORMAT), b"short"])


def test_sparse_files_are_refused(lab: Lab) -> None:
    info = tarfile.TarInfo("s")
    info.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(InvalidArgument, match="sparse"):
        lab.layers.stage([info.tobuf(tarfile.GNU_FORMAT), bytes(1024)])
    lab.refuses(member("s", b"x", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 50)}))


def test_many_entries_and_deep_folders_hold_few_descriptors(lab: Lab) -> None:
    held: list[int] = []
    many = [member(f"d{n % 300}/e{n}", b"") for n in range(6000)]
    deep = [member("/".join(["d"] * depth)) for depth in range(1, 400)]

    def watched(data: bytes) -> Iterator[bytes]:
        for piece in tars.pieces(data, 1 << 18):
            held.append(len(os.listdir("/proc/self/fd")))
            yield piece

    before = len(os.listdir("/proc/self/fd"))
    lab.layers.discard(lab.layers.stage(watched(tar(*many, *deep))))
    assert max(held) - before < 100
    lab.refuses(member("/".join(["d" * 200] * 30), b"x"))


def test_case_and_unicode_are_bytes(lab: Lab) -> None:
    names = [
        "File",
        "file",
        "e\u0301",
        "\u00e9",
        "\u202etxt.exe",
        "a\nb",
        "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"),
    ]
    files = lab.unpack(*(member(name, name.encode("utf-8", "surrogateescape")) for name in names))
    assert len(list(files.iterdir())) == len(names)
    for name in names:
        assert (files / name).read_bytes() == name.encode("utf-8", "surrogateescape")
    lab.refuses(member("a", b"x", pax_headers={"path": "a\0b"}))


def test_whiteouts_of_parents_and_of_nothing(lab: Lab) -> None:
    for name in (".wh...", "d/.wh...", ".wh.", ".wh..", "d/.wh."):
        lab.refuses(member("d"), member(name, b""))
    lab.refuses(link("out", str(lab.victim)), member("out/.wh.secret", b""))
    lab.refuses(link("out", str(lab.victim)), member("out/.wh..wh..opq", b""))


def test_xattrs_that_mean_something_to_the_kernel(lab: Lab) -> None:
    hostile = ("trusted.overlay.redirect", "trusted.overlay.opaque", "trusted.overlay.metacopy", "security.selinux",
               "security.ima", "trusted.x", "user.overlay.redirect")  # fmt: skip
    headers = {f"SCHILY.xattr.{name}": str(lab.victim) for name in hostile}
    files = lab.unpack(member("f", b"x", pax_headers=headers), member("d", pax_headers=headers), member("d/g", b"x"))
    for path in (files / "f", files / "d"):
        assert set(os.listxattr(path)) <= {"user.overlay.redirect"}


def test_archives_whose_links_lead_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"[]")
    with opened() as store:
        for target in (str(secret), "../" * 12 + str(secret)[1:]):
            with pytest.raises(InvalidArgument):
                store.load(tar(link("manifest.json", target)))
            with pytest.raises(InvalidArgument):
                store.load(tar(member("manifest.json", b'[{"Config": "c", "Layers": ["l"]}]'), link("c", target)))
        assert store.files() == []
