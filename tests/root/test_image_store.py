"""Images in the store: load, save, import, names, removal, sweeping. Needs root: layers are unpacked for real."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.containers.model import Status
from engine.errors import BerthError, Conflict, InvalidArgument, NotFound
from engine.refs import Reference
from engine.services.image_archives import Imported
from engine.services.image_removal import Removed
from engine.values import ImageConfig, Scope
from tests.fakes import tars
from tests.fakes.image_store import SCOPE, Parts, config_of, docker_archive, next_events, opened
from tests.fakes.make import a_container
from tests.support.docker_cli import eventually

BASE = tars.tree({"etc/motd": b"base", "bin/sh": b"#!"})
TOP = tars.tree({"etc/motd": b"top"})


@pytest.fixture
def store() -> Iterator[Parts]:
    """Return an empty store."""
    with opened() as parts:
        yield parts


def use(store: Parts, image_id: str, status: Status = Status.EXITED) -> str:
    """Add a container of an image and return the first 12 digits of its id."""
    made = a_container(status=status, image_id=image_id, chain=store.images.get(SCOPE, image_id).chain)
    store.containers.append(made)
    return made.id[:12]


def test_a_loaded_image_is_found_by_name_id_and_prefix(store: Parts) -> None:
    assert store.load(docker_archive([BASE, TOP], Env=["A=1"], Cmd=["sh"])) == ["Loaded image: app:1"]
    image = store.images.get(SCOPE, "app:1")
    for text in ("docker.io/library/app:1", image.id, image.id[7:], image.id[7:19], image.id[:20]):
        assert store.images.get(SCOPE, text) == image
    assert image.config == ImageConfig(env=("A=1",), cmd=("sh",))
    assert image.size == len(b"base#!top")
    assert (image.architecture, image.created_ns) == ("amd64", 1714979289_500_000_000)


def test_its_layers_make_a_root(store: Parts) -> None:
    store.load(docker_archive([BASE, TOP]))
    store.snapshots.prepare("c", store.images.get(SCOPE, "app:1").chain)
    root = store.snapshots.mount("c")
    assert (root / "etc/motd").read_text() == "top"
    store.snapshots.remove("c")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("busybox", "No such image: busybox:latest"),
        ("busybox:1", "No such image: busybox:1"),
        ("localhost:5000/a/b", "No such image: localhost:5000/a/b:latest"),
        ("abcdef012345", "No such image: abcdef012345:latest"),
        ("sha256:" + "a" * 64, "No such image: sha256:" + "a" * 64),
    ],
)
def test_unknown_images_are_not_found_in_dockers_words(store: Parts, name: str, says: str) -> None:
    with pytest.raises(NotFound) as missing:
        store.images.get(SCOPE, name)
    assert str(missing.value) == says


def test_a_namespace_sees_its_own_images_and_shares_the_layers(store: Parts) -> None:
    team = Scope(namespace="team")
    store.load(docker_archive([BASE]))
    with pytest.raises(NotFound):
        store.images.get(team, "app:1")
    before = store.files()
    store.load(docker_archive([BASE]), team)
    assert store.files() == before
    store.images.remove(SCOPE, "app:1")
    assert store.images.get(team, "app:1").namespace == "team"
    assert store.files() == before
    store.images.remove(team, "app:1")
    assert store.files() == []


def test_loading_again_moves_the_tag_and_leaves_the_old_image_dangling(store: Parts) -> None:
    store.load(docker_archive([BASE]))
    old = store.images.get(SCOPE, "app:1")
    store.load(docker_archive([TOP]))
    assert store.images.get(SCOPE, "app:1").id != old.id
    assert store.images.view(SCOPE, old.id).references == ()
    removed, freed = store.images.prune(SCOPE)
    assert removed == [Removed(deleted=old.id), Removed(deleted=old.chain[0])]
    assert freed == old.size


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (b"no tar at all" * 100, "invalid tar header"),
        (tars.tree({"a.txt": b"hello"}), "neither a manifest.json nor an index.json"),
        (tars.tree({"manifest.json": b"{"}), "invalid manifest.json"),
        (tars.tree({"manifest.json": b'[{"Config": 1}]'}), "must be strings"),
        (tars.tree({"manifest.json": b'[{"Config": "c.json"}]'}), "c.json is missing"),
        (docker_archive([BASE], tags=["Bad Name"]), "invalid reference format"),
        (
            tars.tree(
                {
                    "l": BASE,
                    "c": config_of([TOP]),
                    "manifest.json": b'[{"Config":"c","Layers":["l"]}]',
                }
            ),
            "invalid diffID for layer 0",
        ),
        (
            tars.tree({"c": config_of([TOP]), "manifest.json": b'[{"Config":"c","Layers":["l"]}]'}),
            "layer l is missing",
        ),
        (
            tars.tree({"l": BASE, "c": config_of([BASE, TOP]), "manifest.json": b'[{"Config":"c","Layers":["l"]}]'}),
            "layers length mismatch: expected 2, got 1",
        ),
        (docker_archive([tars.tree({"../../evil": b"x"})]), "outside"),
        (docker_archive([tars.tar(tars.link("l", "/tmp"), tars.member("l/evil", b"x"))]), "symbolic link"),
        (docker_archive([BASE])[:3000], "unexpected end"),
    ],
    ids=range(12),
)
def test_bad_archives_are_refused_and_leave_the_store_as_it_was(store: Parts, archive: bytes, says: str) -> None:
    store.load(docker_archive([BASE], tags=["old:1"]))
    before = store.files()
    with pytest.raises(InvalidArgument) as refused:
        store.load(archive)
    assert says in str(refused.value)
    assert store.files() == before
    assert [v.references[0].familiar for v in store.images.list_(SCOPE)] == ["old:1"]


def test_an_archive_may_be_compressed_and_so_may_its_layers(store: Parts) -> None:
    archive = tars.tree(
        {
            "l": gzip.compress(BASE),
            "c": config_of([BASE]),
            "manifest.json": b'[{"Config":"c","Layers":["l"],"RepoTags":["z:1"]}]',
        }
    )
    assert store.load(gzip.compress(archive)) == ["Loaded image: z:1"]


def test_one_layer_file_may_serve_two_images_and_two_places(store: Parts) -> None:
    manifest = [
        {"Config": "c1", "Layers": ["a", "b"], "RepoTags": ["one:1"]},
        {"Config": "c2", "Layers": ["b", "link"], "RepoTags": ["two:1"]},
    ]
    archive = tars.tar(
        tars.member("a", BASE),
        tars.member("b", TOP),
        tars.link("link", "b"),
        tars.member("c1", config_of([BASE, TOP])),
        tars.member("c2", config_of([TOP, TOP])),
        tars.member("manifest.json", json.dumps(manifest).encode()),
    )
    store.load(archive)
    assert len(store.images.get(SCOPE, "two:1").chain) == 2


def test_an_oci_layout_made_by_skopeo_loads(store: Parts, tmp_path: Path) -> None:
    (tmp_path / "in.tar").write_bytes(docker_archive([BASE, TOP]))
    target = f"oci-archive:{tmp_path}/out.tar:example.com/app:2"
    subprocess.run(["skopeo", "copy", "-q", f"docker-archive:{tmp_path}/in.tar", target], check=True)
    assert store.load((tmp_path / "out.tar").read_bytes()) == ["Loaded image: example.com/app:2"]
    assert len(store.images.get(SCOPE, "example.com/app:2").chain) == 2


def test_what_is_saved_loads_again_here_and_in_skopeo(store: Parts, tmp_path: Path) -> None:
    store.load(docker_archive([BASE, TOP], tags=["app:1", "app:2"]))
    image = store.images.get(SCOPE, "app:1")
    archive = b"".join(store.archives.save(SCOPE, ["app"]))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        entries = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert entries[0]["RepoTags"] == ["app:1", "app:2"]
    (tmp_path / "a.tar").write_bytes(archive)
    for source in (f"docker-archive:{tmp_path}/a.tar:app:1", f"oci-archive:{tmp_path}/a.tar:1"):
        subprocess.run(["skopeo", "inspect", source], check=True, capture_output=True)
    store.images.remove(SCOPE, "app:1")
    store.images.remove(SCOPE, "app:2")
    assert store.load(archive) == ["Loaded image: app:1", "Loaded image: app:2"]
    assert store.images.get(SCOPE, "app:2").id == image.id


def test_saving_an_unknown_image_fails_before_the_first_byte(store: Parts) -> None:
    with pytest.raises(NotFound):
        store.archives.save(SCOPE, ["nosuch"])


def test_an_import_is_an_image_of_one_layer(store: Parts) -> None:
    said = Imported(Reference.parse("made:1"), "by hand", ImageConfig(cmd=("sh",)))
    image = store.archives.import_(SCOPE, io.BytesIO(gzip.compress(BASE)), said)
    assert store.images.get(SCOPE, "made:1") == replace(image, tagged_ns=store.images.get(SCOPE, "made:1").tagged_ns)
    assert (image.comment, image.config.cmd, len(image.chain)) == ("by hand", ("sh",), 1)


def test_tagging_gives_another_name(store: Parts) -> None:
    store.load(docker_archive([BASE]))
    events = next_events(store, lambda: store.images.tag(SCOPE, "app:1", "localhost:5000/x"))
    assert store.images.get(SCOPE, "localhost:5000/x:latest").id == store.images.get(SCOPE, "app:1").id
    assert [(e.type, e.action, e.attributes["name"]) for e in events] == [("image", "tag", "localhost:5000/x:latest")]
    with pytest.raises(InvalidArgument, match="invalid tag format"):
        store.images.tag(SCOPE, "app:1", "x", "a b")
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        store.images.tag(SCOPE, "nosuch", "x")


def test_removing_one_of_two_names_only_untags(store: Parts) -> None:
    store.load(docker_archive([BASE], tags=["app:1", "app:2"]))
    assert store.images.remove(SCOPE, "app:2") == [Removed(untagged="app:2")]
    image = store.images.get(SCOPE, "app:1")
    events = next_events(store, lambda: store.images.remove(SCOPE, "app:1"))
    assert [(e.action, e.actor_id) for e in events] == [("untag", image.id), ("delete", image.id)]
    assert store.files() == []


def test_the_last_name_takes_image_and_layers_with_it_the_topmost_first(store: Parts) -> None:
    store.load(docker_archive([BASE, TOP]))
    image = store.images.get(SCOPE, "app:1")
    assert store.images.remove(SCOPE, "app:1") == [
        Removed(untagged="app:1"),
        Removed(deleted=image.id),
        Removed(deleted=image.chain[1]),
        Removed(deleted=image.chain[0]),
    ]


def test_layers_that_another_image_uses_stay(store: Parts) -> None:
    store.load(docker_archive([BASE], tags=["base:1"]))
    store.load(docker_archive([BASE, TOP]))
    base = store.images.get(SCOPE, "base:1")
    removed = store.images.remove(SCOPE, "app:1")
    assert base.chain[0] not in [r.deleted for r in removed]
    assert store.layers.has(base.chain[0])


def test_a_name_in_use_by_a_container_is_a_conflict(store: Parts) -> None:
    store.load(docker_archive([BASE]))
    image = store.images.get(SCOPE, "app:1")
    user = use(store, image.id)
    with pytest.raises(Conflict) as refused:
        store.images.remove(SCOPE, "app:1")
    assert str(refused.value) == (
        f'conflict: unable to remove repository reference "app:1" (must force) - container {user} '
        f"is using its referenced image {image.id[7:19]}"
    )
    assert store.images.remove(SCOPE, "app:1", force=True)[-1] == Removed(deleted=image.id), "the layers are in use"


def test_force_takes_the_name_of_a_running_containers_image_and_leaves_the_image(store: Parts) -> None:
    store.load(docker_archive([BASE]))
    image = store.images.get(SCOPE, "app:1")
    user = use(store, image.id, Status.RUNNING)
    assert store.images.remove(SCOPE, "app:1", force=True) == [Removed(untagged="app:1")]
    with pytest.raises(Conflict) as refused:
        store.images.remove(SCOPE, image.id, force=True)
    assert str(refused.value) == (
        f"conflict: unable to delete {image.id[7:19]} (cannot be forced) - "
        f"image is being used by running container {user}"
    )


def test_removing_by_id_what_has_names_in_two_repositories_must_be_forced(store: Parts) -> None:
    store.load(docker_archive([BASE], tags=["app:1", "other:1"]))
    image = store.images.get(SCOPE, "app:1")
    with pytest.raises(Conflict, match=r"\(must be forced\) - image is referenced in multiple repositories"):
        store.images.remove(SCOPE, image.id[7:19])
    removed = store.images.remove(SCOPE, image.id[7:19], force=True)
    assert [r.untagged for r in removed[:2]] == ["app:1", "other:1"]


def test_a_stopped_container_stands_against_removing_by_id(store: Parts) -> None:
    store.load(docker_archive([BASE]))
    image = store.images.get(SCOPE, "app:1")
    user = use(store, image.id)
    with pytest.raises(Conflict, match=rf"\(must be forced\) - image is being used by stopped container {user}"):
        store.images.remove(SCOPE, image.id)


def test_layers_of_a_container_that_is_being_made_are_not_swept(store: Parts) -> None:
    store.load(docker_archive([BASE]))
    image = store.images.get(SCOPE, "app:1")
    store.snapshots.prepare("new", image.chain)
    store.images.remove(SCOPE, "app:1")
    assert store.layers.has(image.chain[0])
    store.snapshots.remove("new")
    store.garbage.sweep()
    assert store.files() == []


def test_lists_are_filtered(store: Parts) -> None:
    store.load(docker_archive([BASE], tags=["app:1", "lib/tool:2"], Labels={"a": "1"}))
    store.load(docker_archive([TOP], tags=[]))

    def listed(**filters: str) -> list[list[str]]:
        views = store.images.list_(SCOPE, filters={k: [v] for k, v in filters.items()})
        return [[r.familiar for r in v.references] for v in views]

    assert sorted(listed()) == [[], ["app:1", "lib/tool:2"]]
    assert listed(dangling="true") == [[]]
    assert listed(dangling="false") == [["app:1", "lib/tool:2"]]
    assert listed(label="a=1") == [["app:1", "lib/tool:2"]]
    assert listed(label="a=2") == []
    assert listed(reference="app") == [["app:1"]]
    assert listed(reference="*/tool:*") == [["lib/tool:2"]]
    assert listed(reference="*") == [["app:1"]]
    assert listed(before="app:1") == []
    for bad in ({"nosuch": "1"}, {"dangling": "maybe"}, {"until": "soon"}):
        with pytest.raises(BerthError):
            listed(**bad)


def test_sizes_that_are_shared(store: Parts) -> None:
    store.load(docker_archive([BASE], tags=["base:1"]))
    store.load(docker_archive([BASE, TOP]))
    shared = {v.references[0].familiar: v.shared_size for v in store.images.list_(SCOPE, shared=True)}
    assert shared == {"base:1": 6, "app:1": 6}
    assert store.images.layers_size(SCOPE) == 9


def test_descendants_are_those_on_the_same_layers(store: Parts) -> None:
    store.load(docker_archive([BASE], tags=["base:1"]))
    store.load(docker_archive([BASE, TOP]))
    base, app = store.images.get(SCOPE, "base:1"), store.images.get(SCOPE, "app:1")
    assert store.images.descendants(SCOPE, "base:1") == {base.id, app.id}
    assert store.images.descendants(SCOPE, "app:1") == {app.id}
    assert store.images.descendants(SCOPE, "nosuch") == frozenset()


def test_history_tells_the_steps_newest_first(store: Parts) -> None:
    store.load(docker_archive([BASE, TOP]))
    steps = store.images.history(SCOPE, "app:1")
    assert [(s.created_by, s.size, s.tags) for s in steps] == [("layer 1", 3, ("app:1",)), ("layer 0", 6, ())]
    assert [s.image_id for s in steps] == [store.images.get(SCOPE, "app:1").id, "<missing>"]


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.load(docker_archive([BASE, TOP], tags=["app:1", "app:2"]))
        view, files = first.images.view(SCOPE, "app:1"), first.files()
    with opened(tmp_path) as second:
        second.images.recover()
        assert second.images.view(SCOPE, "app:2") == view
        assert second.files() == files


def test_recover_sweeps_what_no_record_refers_to(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.load(docker_archive([BASE]))
        files = first.files()
        staged = first.layers.stage([TOP])
        first.layers.commit(staged, staged.diff_id, "")
        first.layers.stage([TOP])
        first.content.put(b"unreferenced")
        (first.content.scratch() / "x").touch()
        assert len(first.files()) == len(files) + 4
    with opened(tmp_path) as second:
        second.images.recover()
        assert second.files() == files


def spoil(store: Parts, *, boot: str) -> None:
    """Let the layers look as a crash of the machine may leave them: not settled, a file cut short."""
    for layer in store.paths.layers.iterdir():
        (layer / "settled").unlink(missing_ok=True)
        record = json.loads((layer / "layer.json").read_text())
        (layer / "layer.json").write_text(json.dumps({**record, "boot": boot}))
    (next(store.paths.layers.glob("*/fs/etc/motd"))).write_text("")


def test_a_layer_that_did_not_reach_the_disk_is_found_at_the_next_boot(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.load(docker_archive([BASE], tags=["bad:1"]))
        first.load(docker_archive([tars.tree({"x": b"y"})], tags=["good:1"]))
        spoil(first, boot="an earlier one")
    with opened(tmp_path) as second:
        second.images.recover()
        assert [r.familiar for v in second.images.list_(SCOPE) for r in v.references] == ["good:1"]
        assert len([f for f in second.files() if f.startswith("layers/")]) == 1
        second.load(docker_archive([BASE], tags=["bad:1"]))


def test_layers_are_settled_soon_after_they_came(store: Parts) -> None:
    store.load(docker_archive([BASE]))
    eventually(lambda: all((layer / "settled").exists() for layer in store.paths.layers.iterdir()), 10)


def test_the_machines_busybox_becomes_an_image_when_the_store_is_empty(store: Parts) -> None:
    assert store.seed.ensure(SCOPE)
    image = store.images.get(SCOPE, "busybox")
    assert image.config.cmd == ("sh",)
    store.snapshots.prepare("c", image.chain)
    root = store.snapshots.mount("c")
    done = subprocess.run(["chroot", root, "/bin/sh", "-c", "echo hello | sed s/h/H/"], capture_output=True, text=True)
    store.snapshots.remove("c")
    assert (done.stdout, done.stderr) == ("Hello\n", "")
    assert not store.seed.ensure(SCOPE), "once is enough"
