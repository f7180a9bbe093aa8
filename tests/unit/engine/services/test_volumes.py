from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.containers.model import Config, Container, HostConfig, MountPoint, MountSpec
from engine.errors import Conflict, InvalidArgument, NotFound, Unsupported
from engine.events import Bus, Subscription
from engine.services.volumes import Volumes
from engine.storage.db import Database
from engine.storage.models import METADATA
from engine.storage.paths import Paths
from engine.values import Scope

HOME = Scope(actor="ann")
TEAM = Scope("team")
EVERYWHERE = Scope("*")


class Bench:
    """Volumes over a database and folders of a test's own."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder / "data", folder / "run")
        self.paths.ensure()
        self.bus = Bus()
        self.database = Database(self.paths.database, self.bus)
        METADATA.create_all(self.database.engine)
        self.containers: dict[str, Container] = {}
        self.volumes = Volumes(self.database, self.paths)

    def again(self) -> Volumes:
        """Start anew from what is on disk, as an engine after a crash."""
        self.volumes.close()
        self.volumes = Volumes(self.database, self.paths)
        self.volumes.set_container_lookup(self.containers.values)
        self.volumes.reconcile()
        return self.volumes

    def container(
        self, name: str = "c1", *, scope: Scope = HOME, image_volumes: tuple[str, ...] = (), **host: object
    ) -> Container:
        """Plan the mounts of a container and keep its record."""
        config, host_config = Config(volumes=image_volumes), HostConfig(**host)  # type: ignore[arg-type]
        mounts = self.volumes.plan_mounts(scope, name, config, host_config, self.containers.__getitem__)
        self.containers[name] = Container(name, scope.home, name, 1, "", (), config, host_config, mounts=mounts)
        return self.containers[name]

    def close(self) -> None:
        self.volumes.close()
        self.database.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def seen(subscription: Subscription) -> list[tuple[str, str, str]]:
    found = []
    while (event := subscription.get(0)) is not None:
        found.append((event.action, event.actor_id, event.by))
    return found


def test_a_volume_is_made_once_and_found_again_after_a_restart(bench: Bench) -> None:
    made = bench.volumes.create(HOME, "data", labels={"a": "1"})
    folder = bench.volumes.path(made)
    assert (folder.is_dir(), folder.stat().st_mode & 0o777) == (True, 0o755)
    (folder / "file").touch()
    assert bench.volumes.create(HOME, "data", labels={"b": "2"}) == made
    assert bench.again().get(HOME, "data") == made
    assert (folder / "file").exists()


def test_namespaces_have_volumes_of_their_own(bench: Bench) -> None:
    here, there = bench.volumes.create(HOME, "data"), bench.volumes.create(TEAM, "data")
    assert bench.volumes.path(here) != bench.volumes.path(there)
    assert bench.volumes.list_(TEAM) == [there]
    assert bench.volumes.list_(EVERYWHERE) == [here, there]
    bench.volumes.remove(TEAM, "data")
    with pytest.raises(NotFound, match="^get data: no such volume$"):
        bench.volumes.get(TEAM, "data")
    assert bench.volumes.get(HOME, "data") == here


def test_a_volume_without_a_name_gets_one_and_is_anonymous(bench: Bench) -> None:
    made = bench.volumes.create(HOME)
    assert len(made.name) == 64
    assert made.anonymous
    assert "com.docker.volume.anonymous" in made.labels


def test_a_name_made_again_begins_empty_even_after_a_crash(bench: Bench) -> None:
    folder = bench.volumes.path(bench.volumes.create(HOME, "data"))
    (folder / "old").touch()
    bench.volumes.remove(HOME, "data")
    bench.volumes.create(HOME, "data")
    assert list(folder.iterdir()) == []
    leftover = bench.paths.volumes / "default/ghost/_data"
    leftover.mkdir(parents=True)
    (leftover / "old").touch()  # a crash came between the record's end and the files'
    bench.volumes.create(HOME, "ghost")
    assert list(leftover.iterdir()) == []


def test_files_without_a_record_go_at_the_next_start(bench: Bench) -> None:
    kept = bench.volumes.path(bench.volumes.create(HOME, "data"))
    ghost = bench.paths.volumes / "team/ghost"
    (ghost / "_data").mkdir(parents=True)
    half_removed = bench.paths.volumes / ".removing/x"
    half_removed.mkdir()
    bench.again().close()
    assert kept.exists()
    assert not ghost.exists()
    assert not half_removed.exists()


def test_a_volume_in_use_is_refused_with_dockers_words(bench: Bench) -> None:
    bench.container("c1", binds=("data:/d",))
    bench.container("c2", binds=("data:/d",))
    with pytest.raises(Conflict, match=r"^remove data: volume is in use - \[c1, c2\]$"):
        bench.volumes.remove(HOME, "data")
    bench.volumes.release(bench.containers["c1"], True)
    assert bench.volumes.users(bench.volumes.get(HOME, "data")) == ["c2"]
    bench.again()
    with pytest.raises(Conflict, match=r"\[c1, c2\]"):  # what is recorded counts after a restart
        bench.volumes.remove(HOME, "data")


def test_removing_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(NotFound, match="get nope: no such volume"):
        bench.volumes.remove(HOME, "nope")
    bench.volumes.remove(HOME, "nope", force=True)


def test_binds_become_mount_points(bench: Bench, tmp_path: Path) -> None:
    missing = tmp_path / "made/for/v"
    container = bench.container(binds=(f"{missing}:/in/deep:ro,rslave", "data:/in", f"{tmp_path}:/x"))
    volume = str(bench.paths.volumes / "default/data/_data")
    assert container.mounts == (
        MountPoint("volume", "/in", volume, "data", "local"),
        MountPoint("bind", "/x", str(tmp_path), rw=True, propagation="rprivate"),
        MountPoint("bind", "/in/deep", str(missing), mode="ro,rslave", rw=False, propagation="rslave"),
    )
    assert missing.is_dir()


def test_mounts_become_mount_points(bench: Bench, tmp_path: Path) -> None:
    container = bench.container(
        mounts=(
            MountSpec("bind", "/b", str(tmp_path), read_only=True, non_recursive=True),
            MountSpec("volume", "/v", "data", labels={"a": "1"}, no_copy=True),
            MountSpec("volume", "/w"),
            MountSpec("tmpfs", "/t", tmpfs_size=4096, tmpfs_mode=0o700, tmpfs_options=(("exec",), ("uid", "5"))),
        ),
        tmpfs={"/run": "size=1m"},
    )
    bind, run, tmpfs, volume, anonymous = container.mounts
    assert (bind.rw, bind.options, bind.propagation) == (False, ("bind",), "rprivate")
    assert tmpfs.options == ("nosuid", "nodev", "exec", "uid=5", "size=4096", "mode=700")
    assert run == MountPoint("tmpfs", "/run", options=("noexec", "nosuid", "nodev", "size=1m"))
    assert (volume.name, volume.mode, volume.anonymous) == ("data", "nocopy", False)
    assert bench.volumes.get(HOME, "data").labels == {"a": "1"}
    assert (anonymous.anonymous, len(anonymous.name)) == (True, 64)


def test_create_mountpoint_makes_the_hosts_folder(bench: Bench, tmp_path: Path) -> None:
    bench.container(mounts=(MountSpec("bind", "/b", str(tmp_path / "new"), create_mountpoint=True),))
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize(
    ("host", "kind", "text"),
    [
        (
            {"mounts": (MountSpec("bind", "/b", "/no/such/path"),)},
            InvalidArgument,
            'invalid mount config for type "bind": bind source path does not exist: /no/such/path',
        ),
        ({"binds": ("/tmp:/x",), "tmpfs": {"/x": ""}}, InvalidArgument, "Duplicate mount point: /x"),
        ({"binds": ("ab:/x", "cd:/x/")}, InvalidArgument, "Duplicate mount point: /x"),
        ({"mounts": (MountSpec("volume", "/x", "ab", subpath="s"),)}, Unsupported, "VolumeOptions.Subpath"),
        ({"mounts": (MountSpec("volume", "/x", "ab", driver="nfs"),)}, Unsupported, 'volume driver "nfs"'),
        ({"mounts": (MountSpec("image", "/x", "ab"),)}, Unsupported, 'mount type "image"'),
        (
            {"mounts": (MountSpec("bind", "/x", "/tmp", read_only_force_recursive=True),)},
            Unsupported,
            "ReadOnlyForceRecursive",
        ),
        ({"volume_driver": "nfs"}, Unsupported, 'volume driver "nfs"'),
    ],
)
def test_what_can_not_be_mounted_is_refused(
    bench: Bench, host: dict[str, object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        bench.container(**host)  # type: ignore[arg-type]
    assert bench.volumes.list_(EVERYWHERE) == []


def test_a_failed_plan_takes_back_the_volumes_it_made(bench: Bench) -> None:
    bench.volumes.create(HOME, "before")
    with pytest.raises(InvalidArgument):
        bench.container(binds=("before:/a", "fresh:/b"), mounts=(MountSpec("bind", "/c", "/no/such/path"),))
    assert [volume.name for volume in bench.volumes.list_(HOME)] == ["before"]
    bench.volumes.remove(HOME, "before")


def test_the_images_volumes_are_anonymous_and_yield_to_mounts(bench: Bench) -> None:
    container = bench.container(image_volumes=("/a/", "/b", "/c"), binds=("data:/b",), tmpfs={"/c": ""})
    by_path = {mount.destination: mount for mount in container.mounts}
    assert (by_path["/a"].anonymous, by_path["/b"].name, by_path["/c"].type) == (True, "data", "tmpfs")


def test_volumes_from_gives_the_others_mounts_and_own_ones_win(bench: Bench, tmp_path: Path) -> None:
    bench.container("source", binds=("data:/d", f"{tmp_path}:/h:ro"), tmpfs={"/t": ""}, image_volumes=("/anon",))
    container = bench.container("c2", volumes_from=("source:ro",), binds=("mine:/h",))
    by_path = {mount.destination: mount for mount in container.mounts}
    assert sorted(by_path) == ["/anon", "/d", "/h"]
    assert (by_path["/d"].name, by_path["/d"].rw) == ("data", False)
    assert (by_path["/h"].name, by_path["/h"].rw) == ("mine", True)
    bench.containers["foreign"] = replace(bench.containers["source"], id="foreign", namespace="team")
    with pytest.raises(NotFound, match="No such container: foreign"):
        bench.container("c3", volumes_from=("foreign",))


def test_release_takes_anonymous_volumes_that_nobody_else_has(bench: Bench) -> None:
    bench.container("c1", image_volumes=("/a",), binds=("data:/d",))
    bench.container("c2", volumes_from=("c1",))
    bench.volumes.release(bench.containers["c1"], True)
    assert len(bench.volumes.list_(HOME)) == 2
    bench.volumes.release(bench.containers["c2"], True)
    assert [volume.name for volume in bench.volumes.list_(HOME)] == ["data"]
    bench.container("c3", image_volumes=("/a",))
    bench.volumes.release(bench.containers["c3"], False)
    assert len(bench.volumes.list_(HOME)) == 2


def test_prune_takes_unused_anonymous_volumes_and_says_what_is_free(bench: Bench) -> None:
    unused, used, named = bench.volumes.create(HOME), bench.volumes.create(HOME), bench.volumes.create(HOME, "named")
    foreign = bench.volumes.create(TEAM)
    bench.container("c1", binds=(f"{used.name}:/d",))
    (bench.volumes.path(unused) / "file").write_bytes(b"x" * 8192)
    assert bench.volumes.usage(unused) == 8192
    assert bench.volumes.prune(HOME, {}) == ([unused.name], 8192)
    assert bench.volumes.prune(HOME, {"all": ("true",)}) == ([named.name], 0)
    assert bench.volumes.list_(EVERYWHERE) == [used, foreign]


def test_a_volume_of_a_container_being_made_is_not_pruned(bench: Bench) -> None:
    config, host = Config(volumes=("/a",)), HostConfig()
    mounts = bench.volumes.plan_mounts(HOME, "not-recorded-yet", config, host, bench.containers.__getitem__)
    assert bench.volumes.prune(HOME, {"all": ("1",)}) == ([], 0)
    assert bench.volumes.get(HOME, mounts[0].name)


def test_populate_fills_new_volumes_once(bench: Bench, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (root / "d/file").write_text("image")
    container = bench.container("c1", binds=("data:/d", "plain:/d2", "bare:/d3:nocopy"))
    (root / "d3").mkdir()
    (root / "d3/file").touch()
    bench.volumes.populate(container, root)
    filled = bench.volumes.path(bench.volumes.get(HOME, "data")) / "file"
    assert filled.read_text() == "image"
    assert not any((bench.paths.volumes / "default/bare/_data").iterdir())
    filled.write_text("mine")
    bench.volumes.populate(container, root)
    assert filled.read_text() == "mine"


def test_a_copy_that_fails_leaves_the_volume_empty(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    for number in range(3):
        (root / f"d/{number}").write_text("x")
    container = bench.container("c1", binds=("data:/d",))
    monkeypatch.setattr("os.sendfile", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench.volumes.populate(container, root)
    monkeypatch.undo()
    bench.volumes.populate(container, root)
    assert len(list(bench.volumes.path(bench.volumes.get(HOME, "data")).iterdir())) == 3


def test_events_tell_who_made_what(bench: Bench) -> None:
    subscription = bench.bus.subscribe()
    bench.volumes.create(HOME, "data")
    container = bench.container("c1", binds=("data:/d:ro",))
    bench.volumes.release(container, True)
    bench.volumes.remove(HOME, "data")
    assert seen(subscription) == [("create", "data", "ann"), ("destroy", "data", "ann")]
    (mount,) = bench.volumes.mount_events(container, "mount")
    assert (mount.action, mount.actor_id, dict(mount.attributes)) == (
        "mount",
        "data",
        {"container": "c1", "driver": "local", "destination": "/d", "propagation": "", "read/write": "false"},
    )
    (unmount,) = bench.volumes.mount_events(container, "unmount")
    assert dict(unmount.attributes) == {"container": "c1", "driver": "local"}
