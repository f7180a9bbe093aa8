"""The mounts of a RUN step: what each is bound to, and what of it the step depends on.

    bind     the context, a stage or an image; read-only, or writable with what is written thrown away
    cache    a folder that outlives the build, of the namespace and the id
    tmpfs    memory
    secret   a file in the step's bundle (memory where RUN_ROOT is), or a variable
    ssh      never: the classic wire forwards no agent
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from engine.build import model
from engine.build.keys import Inputs
from engine.build.records import CacheKind, CacheRecord
from engine.build.tree import Tree
from engine.clock import now_ns
from engine.containers.model import MountPoint
from engine.errors import InvalidArgument, Unsupported
from engine.ids import new_id
from engine.kernel import syscalls
from engine.services.build_job import Job, Step
from engine.services.build_run import working_dir_of
from engine.services.build_state import State

_SECRETS = "/run/secrets"


@dataclass(slots=True)
class Prepared:
    """What a step's container gets. `variables` are secrets: they are in no key, no log and no image."""

    points: list[MountPoint] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StepMounts:
    """The mounts of one RUN step of stage number `stage`."""

    job: Job
    step: Step
    stage: int
    state: State
    mounts: Sequence[model.Mount]

    def inputs(self) -> tuple[str, dict[str, str]]:
        """Return what the step depends on: the mounts' words, and the digests of files that are bound."""
        files: dict[str, str] = {}
        words = []
        for mount in self.mounts:
            words.append([mount.text, self._target(mount)])
            if mount.type == "bind":
                tree, _ = self._tree(mount)
                for source in tree.find(mount.source or "."):
                    files.update({item.path or ".": tree.digest(item) for item in source.items})
        return json.dumps(words), files

    def prepare(self, key: str, undo: ExitStack) -> Prepared:
        """Make the mounts for the container `key`; `undo` takes them away after its end."""
        found = Prepared()
        for number, mount in enumerate(self.mounts):
            match mount.type:
                case "bind":
                    found.points.append(self._bind(mount, undo))
                case "cache":
                    found.points.append(self._cache(mount, undo))
                case "tmpfs":
                    options = ("exec", *((f"size={mount.size}",) if mount.size else ()))
                    found.points.append(MountPoint("tmpfs", self._target(mount), options=options))
                case "secret":
                    self._secret(mount, key, number, found)
                case "ssh" if mount.required:
                    raise Unsupported("RUN --mount=type=ssh: an SSH agent is not forwarded by the classic build API")
                case "ssh":
                    pass
                case _:
                    raise Unsupported(f"RUN --mount=type={mount.type}: not supported by Berth")
        return found

    def _target(self, mount: model.Mount) -> str:
        if mount.type == "secret" and not mount.target:
            return f"{_SECRETS}/{mount.id}"
        return working_dir_of(self.state.config, mount.target) if mount.target else ""

    def _tree(self, mount: model.Mount) -> tuple[Tree, Path]:
        if not mount.origin:
            return self.job.context, self.job.context_folder
        chain = self.job.chain_of(mount.origin, self.stage, self.step)
        root, tree = self.job.bench.tree(chain)
        return tree, root

    def _bind(self, mount: model.Mount, undo: ExitStack) -> MountPoint:
        tree, root = self._tree(mount)
        inside = tree.locate(mount.source or ".")
        if inside is None:
            raise InvalidArgument(f'failed to compute cache key: "{mount.source}": not found')
        if not mount.readonly:
            root = self._writable(root, undo)
        return MountPoint("bind", self._target(mount), source=str(root / inside), rw=not mount.readonly)

    def _writable(self, lower: Path, undo: ExitStack) -> Path:
        """Return a throw-away writable view of a folder."""
        key = new_id()
        home = self.job.folder / f"rw-{key[:16]}"
        for name in ("upper", "work"):
            (home / name).mkdir(parents=True, mode=0o755)
        undo.callback(shutil.rmtree, home, ignore_errors=True)
        target = self.job.paths.rootfs / key
        target.mkdir(mode=0o755)
        undo.callback(target.rmdir)
        options = f"lowerdir={lower},upperdir={home}/upper,workdir={home}/work"
        syscalls.mount("overlay", target, "overlay", 0, options)
        undo.callback(syscalls.umount, target, syscalls.UmountFlag.DETACH)
        return target

    def _cache(self, mount: model.Mount, undo: ExitStack) -> MountPoint:
        job = self.job
        identity = f"{job.namespace}\n{mount.id or self._target(mount)}"
        name = hashlib.sha256(identity.encode()).hexdigest()
        if mount.sharing == "locked":
            undo.enter_context(job.mount_locks.hold(name))
        elif mount.sharing == "private":
            name = self._free_name(name, undo)
        folder = job.paths.build_mounts / job.namespace / name
        job.cache.hold(job.namespace, name)
        undo.callback(job.cache.let_go, job.namespace, name)
        if not folder.exists():
            self._seed(mount, folder)
        undo.callback(self._note_cache, mount, name, folder)
        return MountPoint("bind", self._target(mount), source=str(folder), rw=not mount.readonly)

    def _free_name(self, name: str, undo: ExitStack) -> str:
        number = 0
        while not self.job.cache.claim(candidate := hashlib.sha256(f"{name} {number}".encode()).hexdigest()):
            number += 1
        undo.callback(self.job.cache.unclaim, candidate)
        return candidate

    def _seed(self, mount: model.Mount, folder: Path) -> None:
        aside = folder.with_name(f".new-{new_id()[:16]}")
        aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside.mkdir(mode=0o755)
        aside.chmod(0o755 if mount.mode is None else mount.mode)
        os.chown(aside, mount.uid or 0, mount.gid or 0)
        try:
            aside.rename(folder)
        except OSError:  # somebody else made it meanwhile
            shutil.rmtree(aside, ignore_errors=True)

    def _note_cache(self, mount: model.Mount, name: str, folder: Path) -> None:
        now = now_ns()
        text = f"cached mount {self._target(mount)} from exec {mount.id or self._target(mount)}"
        record = CacheRecord(
            id=name,
            namespace=self.job.namespace,
            kind=CacheKind.MOUNT,
            slot=f"mount {name[:24]}",
            label=text,
            text=text,
            inputs=Inputs("mount", {}),
            size=_size_of(folder),
            created_ns=now,
            used_ns=now,
            folder=name,
        )
        self.job.cache.keep_mount(record)

    def _secret(self, mount: model.Mount, key: str, number: int, found: Prepared) -> None:
        value = self.job.wish.secrets.get(mount.id)
        if value is None:
            if mount.required:
                raise InvalidArgument(f"secret {mount.id}: not found")
            return
        if mount.env:
            found.variables.append(f"{mount.env}={os.fsdecode(value)}")
            if not mount.target:
                return
        folder = self.job.paths.bundle(key)
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"secret-{number}"
        path.touch(mode=0o600)
        path.write_bytes(value)
        os.chown(path, mount.uid or 0, mount.gid or 0)
        path.chmod(0o400 if mount.mode is None else mount.mode)
        found.points.append(MountPoint("bind", self._target(mount), source=str(path), rw=False))


def _size_of(folder: Path) -> int:
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
