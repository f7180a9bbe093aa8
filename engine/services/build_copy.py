"""COPY and ADD as a step: what they select, what that depends on, and its way into a root.

Wildcards, folders, links and destinations follow Docker; only what is named is read. Source: Dockerfile reference.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.build import config as configs
from engine.build import copying, glob, ignore, model, tree
from engine.build.copying import Owner, Writer
from engine.build.keys import Inputs
from engine.build.tree import Source, Tree
from engine.containers import users
from engine.errors import InvalidArgument
from engine.images.model import ImageLayer
from engine.services.build_job import Job, Step
from engine.services.build_state import State
from engine.services.build_steps import Outcome, Wanted, label_of, settle
from engine.storage import compression
from engine.storage.tarstream import BLOCK, Entry, TarReader, is_tar
from engine.storage.unpack import Unpacker

_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Picked:
    """One source with the tree it is in. `parents`: folders it keeps below the destination; `remote`: downloaded."""

    tree: Tree
    source: Source
    parents: str = ""
    remote: bool = False


@dataclass(frozen=True, slots=True)
class CopyStep:
    """One COPY or ADD of stage number `stage`; its words are plain."""

    job: Job
    step: Step
    stage: int
    state: State
    instruction: model.Copy | model.Add

    @property
    def _name(self) -> str:
        return "COPY" if isinstance(self.instruction, model.Copy) else "ADD"

    def settle(self) -> Outcome:
        """Copy, or take the result from the cache."""
        instruction, state = self.instruction, self.state
        chmod = copying.parse_chmod(instruction.chmod) if instruction.chmod else None
        picked = list(self._pick())
        files = self._files(picked)
        content = self._content(picked)
        dest = self._dest()
        inputs = Inputs(
            "copy",
            {
                "parent": "" if self._is_movable else state.top,
                "text": json.dumps([self._name, instruction.sources, dest, self._flags()]),
                "content": content,
                "epoch": str(self.job.epoch or ""),
            },
            files=files,
        )
        owner = f"--chown={instruction.chown} " if instruction.chown else ""
        kind = "multi" if len(picked) > 1 else "dir" if picked and picked[0].source.is_folder else "file"
        words = configs.nop(
            state.config, f"{self._name} {owner}{kind}:{content} in {dest} ").replace("(nop)  ", "(nop) ", 1)
        named = (*instruction.sources, *(f"<<{document.name}" for document in instruction.heredocs))
        label = label_of(self._name, " ".join(named))
        wanted = Wanted(inputs, label, instruction.origin.text, words, state.config, movable=self._is_movable)
        return settle(self.job, self.step, state, wanted, lambda: self._make(picked, dest, chmod))

    @property
    def _is_movable(self) -> bool:
        """Whether the layer is the same over any other: nothing of what is below is looked at."""
        chown = self.instruction.chown
        return self.instruction.link and all(part.isdigit() for part in chown.split(":") if part)

    def _flags(self) -> list[object]:
        i = self.instruction
        own = [i.from_, i.parents] if isinstance(i, model.Copy) else [i.checksum, i.unpack, i.keep_git_dir]
        return [i.chown, i.chmod, i.link, i.exclude, *own]

    def _dest(self) -> str:
        dest = configs.resolve(self.state.config, self.instruction.dest)
        folder = self.instruction.dest.endswith(("/", "/.")) or self.instruction.dest in (".", "")
        return dest if dest == "/" or not folder else f"{dest}/"

    # -- what is copied --------------------------------------------------------------------------------------------

    def _pick(self) -> Iterator[Picked]:
        instruction = self.instruction
        origin = self._origin()
        for number, text in enumerate(instruction.sources):
            if isinstance(instruction, model.Add) and self.job.fetcher.is_remote(text):
                yield self._fetched(instruction, text, number)
                continue
            pivot, path = self._pivot(text)
            exclude = self._excluded(path)
            found = origin.find(path, exclude)
            if not found:
                raise InvalidArgument(self._missing(text))
            for source in found:
                yield Picked(origin, source, self._parents(source, pivot))

    def _origin(self) -> Tree:
        if isinstance(self.instruction, model.Copy) and self.instruction.from_:
            chain = self.job.chain_of(self.instruction.from_, self.stage, self.step)
            return self.job.bench.tree(chain)[1]
        return self.job.context

    def _fetched(self, instruction: model.Add, text: str, number: int) -> Picked:
        folder = self.job.folder / f"add-{self.step.slot[:16]}-{self.step.number}-{number}"
        folder.mkdir(mode=0o700, exist_ok=True)
        fetched = self.job.fetcher.fetch(text, instruction, folder, self.job.stop)
        fetched_tree = self.job.opened(fetched.folder)
        found = fetched_tree.find(fetched.name or ".", self._excluded(fetched.name))
        if not found:
            raise InvalidArgument(f"ADD failed: nothing came from {text}")
        return Picked(fetched_tree, found[0], remote=True)

    def _pivot(self, text: str) -> tuple[str, str]:
        """Return the part before `/./`, which --parents leaves out, and the whole path."""
        if isinstance(self.instruction, model.Copy) and self.instruction.parents and "/./" in text:
            before, _, after = text.partition("/./")
            return tree.clean_path(before), f"{before}/{after}"
        return "", text

    def _parents(self, source: Source, pivot: str) -> str:
        if not (isinstance(self.instruction, model.Copy) and self.instruction.parents):
            return ""
        inside = source.written.removeprefix(f"{pivot}/") if pivot else source.written
        return inside if source.is_folder else posixpath.dirname(inside) or "."

    def _excluded(self, path: str) -> Callable[[str], bool] | None:
        """Return what --exclude hides: its patterns are relative to the source."""
        if not self.instruction.exclude:
            return None
        rules = ignore.parse_patterns(self.instruction.exclude)
        base = "" if glob.has_wildcard(path) else tree.clean_path(path)

        def hides(full: str) -> bool:
            inside = full.removeprefix(f"{base}/") if base and full != base else full
            return rules.excludes(inside) or (full == base and rules.excludes(posixpath.basename(base)))

        return hides

    def _missing(self, text: str) -> str:
        if glob.has_wildcard(text):
            return f"{self._name} failed: no source files were specified"
        where = "file not found in build context or excluded by .dockerignore: "
        if isinstance(self.instruction, model.Copy) and self.instruction.from_:
            where = ""
        return f"{self._name} failed: {where}stat {text.lstrip('/')}: file does not exist"

    def _files(self, picked: Sequence[Picked]) -> dict[str, str]:
        files = {
            item.path or ".": entry.tree.digest(item)
            for entry in picked
            for item in entry.source.items
            if item.name or not entry.source.is_folder
        }
        for number, document in enumerate(self.instruction.heredocs):
            files[f"<<{document.name} ({number})"] = hashlib.sha256(document.text.encode()).hexdigest()
        return files

    def _content(self, picked: Sequence[Picked]) -> str:
        """Return one digest over everything copied, and where it goes below the destination."""
        digest = hashlib.sha256()
        for entry in picked:
            base = "" if entry.source.is_folder else posixpath.basename(entry.source.written)
            for item in entry.source.items:
                name = f"{entry.parents}\0{base}{item.name}\0"
                digest.update(name.encode("utf-8", "surrogateescape") + entry.tree.digest(item).encode())
        for document in self.instruction.heredocs:
            digest.update(f"{document.name}\0{document.text}".encode())
        return digest.hexdigest()

    # -- the work --------------------------------------------------------------------------------------------------

    def _make(self, picked: Sequence[Picked], dest: str, chmod: Callable[[int], int] | None) -> ImageLayer | None:
        chain = () if self._is_movable else self.state.chain
        layer = self.job.bench.layer(chain, lambda root: self._work(root, picked, dest, chmod), self.job.epoch)
        if layer is not None and self._is_movable and self.state.chain:
            return self.job.bench.moved(layer.chain_id, self.state.chain)
        return layer

    def _work(self, root: Path, picked: Sequence[Picked], dest: str, chmod: Callable[[int], int] | None) -> None:
        fd = os.open(root, _ROOT)
        writer = Writer(fd, self._owner(root), chmod)
        try:
            self._write_all(writer, picked, dest)
            writer.finish()
        finally:
            writer.close()
            os.close(fd)

    def _write_all(self, writer: Writer, picked: Sequence[Picked], dest: str) -> None:
        documents = self.instruction.heredocs
        count = len(picked) + len(documents)
        into = copying.goes_into(writer, count, dest, self._name)
        for entry in picked:
            self.job.stop.check()
            if self._unpacks(entry):
                self._unpack(writer, entry, dest)
            elif entry.parents:
                target = posixpath.normpath(posixpath.join(dest, entry.parents))
                writer.copy(entry.tree, entry.source, target, into=True)
            else:
                writer.copy(entry.tree, entry.source, dest, into=into)
        for document in documents:
            target = posixpath.join(dest, posixpath.basename(document.name)) if into else dest
            writer.write(target, document.text.encode(), self._document_time())

    def _document_time(self) -> int:
        """Return the time of files that come from here-documents: none, so that the layer is the same each time."""
        return (self.job.epoch or 0) * 1_000_000_000

    def _owner(self, root: Path) -> Owner:
        chown = self.instruction.chown
        if not chown:
            return None if isinstance(self.instruction, model.Copy) and self.instruction.from_ else (0, 0)
        user, _, group = chown.partition(":")
        if not group and user.isdigit():
            return int(user), int(user)
        if not group:
            found = users.resolve_user(user, (), root)
            return found.uid, found.gid
        found = users.resolve_user(f"{user}:{group}", (), root)
        return found.uid, found.gid

    def _unpacks(self, entry: Picked) -> bool:
        if not isinstance(self.instruction, model.Add) or entry.source.is_folder:
            return False
        wanted = self.instruction.unpack
        item = entry.source.items[0]
        if wanted is False or (wanted is None and entry.remote) or not stat.S_ISREG(item.info.st_mode):
            return False
        with os.fdopen(entry.tree.open(item), "rb") as file:
            chunks = iter(lambda: file.read(64 * 1024), b"")
            try:
                head = b""
                for piece in compression.decompressed(chunks):
                    head += piece
                    if len(head) >= BLOCK:
                        break
            except InvalidArgument:
                return False
        return is_tar(head) and head[:BLOCK].count(0) != BLOCK

    def _unpack(self, writer: Writer, entry: Picked, dest: str) -> None:
        item = entry.source.items[0]
        folder = os.dup(writer.make_folder(dest, item.info.st_mtime_ns))
        owner = writer.owner if self.instruction.chown else None
        unpacker = Unpacker(folder, whiteouts=False, owner=owner, follow=True)
        try:
            with os.fdopen(entry.tree.open(item), "rb") as file:
                chunks = iter(lambda: file.read(_CHUNK), b"")
                reader = _Named(TarReader(compression.decompressed(chunks)), self.job)
                unpacker.apply(reader)
            unpacker.finish()
        except FileExistsError as error:
            raise InvalidArgument(f"ADD failed: {error.filename}: file exists") from error
        finally:
            unpacker.close()
            os.close(folder)


class _Named(TarReader):
    """A reader that asks between entries whether the build goes on."""

    def __init__(self, inner: TarReader, job: Job) -> None:
        self._inner = inner
        self._job = job

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._inner:
            self._job.stop.check()
            yield entry

    def content(self) -> Iterator[bytes]:
        return self._inner.content()
