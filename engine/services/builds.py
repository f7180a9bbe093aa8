"""Builds: from a request to an image, each with a record, a log that can be followed, and an end that can be asked for.

    context in → Dockerfile read, planned → stages, in parallel where they don't need each other → image

A failure, a cancel and a client that goes away end the processes of its steps and leave nothing but cache records of
steps that were done. `builds/<id>` holds the context while it runs, and the log afterwards.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from engine import faults
from engine.build import model, parser
from engine.build.events import BuildEvent
from engine.build.records import BuildRecord, BuildStatus
from engine.build.store import BuildStore
from engine.build.tree import Tree
from engine.clock import now_ns, render_ns
from engine.errors import BerthError, Conflict, InvalidArgument, NotFound
from engine.ids import new_id
from engine.images.model import Image
from engine.locks import NamedLocks
from engine.services import build_context, build_log
from engine.services.build_bases import Bases
from engine.services.build_cache import BuildCache
from engine.services.build_context import Limits
from engine.services.build_exec import PROXIES
from engine.services.build_history import HistoryCache
from engine.services.build_job import Fetcher, Job, Stop
from engine.services.build_layers import Workbench
from engine.services.build_log import BuildLog
from engine.services.build_plan import EPOCH, Plan, make_plan
from engine.services.build_run import Canceled, StepFailed, StepRunner
from engine.services.build_stage import StageBuild
from engine.services.build_state import BuildWish, State
from engine.services.gc import Garbage, Lease
from engine.services.images import Images, Origin
from engine.services.pull import Pulls
from engine.storage.content import Content
from engine.storage.db import Database
from engine.storage.layers import Layers
from engine.storage.paths import Paths
from engine.storage.snapshots.base import Snapshotter
from engine.values import Scope

_log = logging.getLogger(__name__)
_KEPT = 200
"""Builds of a namespace whose records and logs are kept."""
_PREDEFINED = frozenset("BUILDKIT_INLINE_CACHE BUILDKIT_MULTI_PLATFORM BUILDKIT_SANDBOX_HOSTNAME".split())


class Remote(Fetcher, Protocol):
    """Remote sources, and whole contexts that are remote."""

    def context(self, address: str, dockerfile: str, folder: Path, stop: Stop) -> tuple[Path, str]:
        """Bring a context below `folder`; return where it is and its Dockerfile's name."""


@dataclass(frozen=True, slots=True)
class Started:
    """A build under way: iterate its events; `stop` ends it."""

    id: str
    events: Iterator[BuildEvent]
    stop: Stop


@dataclass(frozen=True, slots=True)
class _Work:
    """A build whose context is here and whose Dockerfile makes sense."""

    id: str
    folder: Path
    context: Path
    tree: Tree
    dockerfile: model.Dockerfile
    plan: Plan
    wish: BuildWish


@dataclass(slots=True)
class _Live:
    namespace: str
    client_id: str
    stop: Stop
    log: BuildLog


class Builds:
    """All builds of this engine; every method from any thread."""

    def __init__(
        self,
        *,
        database: Database,
        store: BuildStore,
        cache: BuildCache,
        paths: Paths,
        images: Images,
        pulls: Pulls,
        content: Content,
        layers: Layers,
        snapshots: Snapshotter,
        garbage: Garbage,
        runner: StepRunner,
        remote: Remote,
        limits: Limits,
        parallel: int,
    ) -> None:
        self._database = database
        self._store = store
        self.cache = cache
        self._paths = paths
        self._images = images
        self._pulls = pulls
        self._content = content
        self._layers = layers
        self._snapshots = snapshots
        self._garbage = garbage
        self._runner = runner
        self._remote = remote
        self._limits = limits
        self._parallel = max(parallel, 1)
        self._lock = threading.Lock()
        self._live: dict[str, _Live] = {}
        self._threads: set[threading.Thread] = set()
        self._mount_locks = NamedLocks()

    # -- life ------------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Mark builds that a dead engine left, and delete what they had on disk. Call it once, before any build."""
        with self._database.transaction() as transaction:
            self._store.lose_running(transaction, now_ns())
        known = {build.id for build in self._store.all()}
        for folder in self._paths.builds.iterdir():
            if folder.name in known:
                build_context.remove(folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        self.cache.recover()

    def close(self) -> None:
        """Cancel what runs and wait for its end."""
        with self._lock:
            live, threads = list(self._live.values()), list(self._threads)
        for build in live:
            build.stop.set("the engine is stopping")
        for thread in threads:
            thread.join()

    # -- what is known ---------------------------------------------------------------------------------------------

    def list_(self, scope: Scope) -> list[BuildRecord]:
        """Return the builds that the caller sees, newest first."""
        return [build for build in reversed(self._store.all()) if scope.sees(build.namespace)]

    def get(self, scope: Scope, reference: str) -> BuildRecord:
        """Return one build; NotFound if the caller sees none of this id."""
        return self._store.get(scope, reference)

    def log(self, scope: Scope, reference: str, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        """Yield a build's events; `follow`: those to come, too, until its end."""
        build = self._store.get(scope, reference)
        live = self._live.get(build.id)
        if live is None:
            return build_log.read(self._paths.builds / build.id / "log")
        live.log.wake()
        if not follow:
            return build_log.read(self._paths.builds / build.id / "log")
        return (build_log.as_json(event) for event in live.log.follow())

    def cancel(self, scope: Scope, reference: str) -> BuildRecord:
        """Ask for a build's end, by its id or the name that its client gave it; Conflict where it has ended."""
        for build_id, live in list(self._live.items()):
            if live.client_id and live.client_id == reference and scope.sees(live.namespace):
                reference = build_id
        build = self._store.get(scope, reference)
        found = self._live.get(build.id)
        if found is None:
            raise Conflict(f"build {build.id[:12]} has ended: {build.status}")
        found.stop.set()
        return build

    def remove(self, scope: Scope, reference: str) -> None:
        """Forget a build that has ended, with its log; Conflict while it runs."""
        build = self._store.get(scope, reference)
        if build.id in self._live:
            raise Conflict(f"build {build.id[:12]} is running: cancel it first")
        self._drop(build)

    # -- building --------------------------------------------------------------------------------------------------

    def start(self, scope: Scope, wish: BuildWish, chunks: Iterable[bytes], stop: Stop) -> Started:
        """Take the context in, and begin; what is wrong with context, Dockerfile or plan is raised here."""
        work = self._prepare(wish, chunks, stop)
        faults.point("build.after-context")
        log = BuildLog(work.folder / "log")
        live = _Live(scope.home, wish.client_id, stop, log)
        record = self._begin(scope, work)
        log.add("plan", steps=[{"number": s.number, "stage": s.stage, "text": s.text} for s in work.plan.steps])
        thread = threading.Thread(target=self._run, args=(scope, record, work, live), name="build", daemon=True)
        with self._lock:
            self._live[record.id] = live
            self._threads.add(thread)
        thread.start()
        return Started(record.id, log.follow(), stop)

    def _prepare(self, wish: BuildWish, chunks: Iterable[bytes], stop: Stop) -> _Work:
        build_id = new_id()
        folder = self._paths.builds / build_id
        folder.mkdir(mode=0o700)
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            if wish.remote:
                context, name = self._remote.context(wish.remote, wish.dockerfile, folder, stop)
                wish = replace(wish, dockerfile=name)
            else:
                context = folder / "context"
                build_context.unpack(chunks, context, self._limits)
            tree = build_context.open_tree(context, wish.dockerfile)
            undo.callback(os.close, tree.root_fd)
            dockerfile = parser.parse(build_context.read_dockerfile(tree, wish.dockerfile))
            plan = make_plan(dockerfile, wish)
            stop.check()
            undo.pop_all()
        return _Work(build_id, folder, context, tree, dockerfile, plan, wish)

    def _begin(self, scope: Scope, work: _Work) -> BuildRecord:
        record = BuildRecord(
            id=work.id,
            namespace=scope.home,
            status=BuildStatus.RUNNING,
            created_ns=now_ns(),
            tags=tuple(tag.familiar for tag in work.wish.tags),
            target=work.wish.target,
            dockerfile=work.wish.dockerfile,
            source=without_credentials(work.wish.remote),
            steps=len(work.plan.steps),
            by=scope.actor,
        )
        with self._database.transaction() as transaction:
            self._store.save(transaction, record)
        return record

    def _run(self, scope: Scope, record: BuildRecord, work: _Work, live: _Live) -> None:
        log, failure, image = live.log, None, None
        try:
            image = self._build(scope, work, live)
        except BerthError as error:
            failure = error
        except Exception as error:
            _log.exception("build failed id=%s", work.id)
            failure = BerthError(f"internal error: {error}")
        status = _status(failure, live.stop)
        counts = log.counts()
        over = replace(
            record,
            status=status,
            finished_ns=now_ns(),
            image_id=image.id if image else "",
            error=str(failure or ""),
            done=counts.done,
            cached=counts.cached,
        )
        with self._database.transaction() as transaction:
            self._store.save(transaction, over)
        if image is not None:
            log.add("result", image=image.id, tags=list(record.tags))
        else:
            code = failure.exit_code if isinstance(failure, StepFailed) else 0
            log.add("error", message=str(failure), code=code)
        self._end(work, log)

    def _end(self, work: _Work, log: BuildLog) -> None:
        with self._lock:
            self._live.pop(work.id, None)
        log.close()
        try:
            build_context.remove(work.folder)
            self._trim(work)
            self.cache.enforce()
        except Exception:
            _log.exception("clearing up after a build failed id=%s", work.id)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _build(self, scope: Scope, work: _Work, live: _Live) -> Image:
        with self._garbage.trial() as lease, ExitStack() as stack:
            job = self._job(scope, work, live, lease, stack)
            try:
                state = self._stages(job, work.plan)
                self._warn_unused(job, work.plan)
                live.stop.check()
                return self._adopt(job, state)
            finally:
                self.cache.keep_all(job.made)

    def _job(self, scope: Scope, work: _Work, live: _Live, lease: Lease, stack: ExitStack) -> Job:
        stack.callback(os.close, work.tree.root_fd)
        bench = Workbench(self._layers, self._snapshots, lease)
        stack.callback(bench.close)
        epoch = work.plan.epoch
        wish = work.wish
        return Job(
            id=work.id,
            scope=scope,
            wish=wish,
            log=live.log,
            stop=live.stop,
            lease=lease,
            bench=bench,
            bases=Bases(
                images=self._images, pulls=self._pulls, scope=scope, wish=wish, lease=lease, stop=live.stop
            ),
            cache=self.cache,
            history=HistoryCache(self._cache_images(scope, wish)),
            runner=self._runner,
            fetcher=self._remote,
            context=work.tree,
            context_folder=work.context,
            folder=work.folder,
            paths=self._paths,
            mount_locks=self._mount_locks,
            dockerfile=work.dockerfile,
            undo=stack,
            stages=work.plan.stages,
            arguments=work.plan.arguments,
            epoch=epoch,
            started=render_ns(now_ns() if epoch is None else epoch * 1_000_000_000),
        )

    def _stages(self, job: Job, plan: Plan) -> State:
        """Build the stages that the target needs; return what the target became."""
        for number in range(1, 1 + len(plan.steps) - sum(map(len, plan.numbers.values()))):
            job.log.add("start", number)
            job.log.add("end", number, state="done", seconds=0)
        builds = [StageBuild(job, node, plan.numbers[node.index]) for node in plan.graph.nodes]
        job.futures = {build.node.index: Future() for build in builds}
        if len(builds) == 1:
            return builds[0].run()
        workers = min(self._parallel, len(builds))
        # In the file's order: a stage that waits for another never keeps a worker from it.
        with ThreadPoolExecutor(workers, thread_name_prefix="build-stage") as pool:
            running = [pool.submit(_fulfil, job.futures[build.node.index], build, job.stop) for build in builds]
            for done in running:
                done.result()
        return _first_failure_or(job, plan)

    def _adopt(self, job: Job, state: State) -> Image:
        document = state.document()
        faults.point("build.before-record")
        job.lease.keep(state.image_id(), *state.chain)
        self._content.put(document)
        tags = job.wish.tags
        origin = Origin("create", name=tags[0].familiar if tags else "")
        image = self._images.adopt(job.scope, document, state.layers, tags, origin)
        faults.point("build.after-record")
        return image

    def _cache_images(self, scope: Scope, wish: BuildWish) -> list[Image]:
        found = []
        for name in wish.cache_from:
            try:
                found.append(self._images.get(scope, name))
            except (NotFound, InvalidArgument):
                _log.info("no image to take a cache from name=%s", name)
        return found

    def _warn_unused(self, job: Job, plan: Plan) -> None:
        known = job.consumed | plan.declared | PROXIES | _PREDEFINED | {EPOCH}
        if unused := sorted(name for name in job.wish.args if name not in known):
            job.log.add("warning", text=f"One or more build-args [{' '.join(unused)}] were not consumed")

    def _trim(self, work: _Work) -> None:
        record = self._store.get(_EVERYWHERE, work.id)
        own = [b for b in self._store.all() if b.namespace == record.namespace and b.is_over]
        for build in own[:-_KEPT]:
            self._drop(build)

    def _drop(self, build: BuildRecord) -> None:
        with self._database.transaction() as transaction:
            self._store.delete(transaction, build)
        shutil.rmtree(self._paths.builds / build.id, ignore_errors=True)


_EVERYWHERE = Scope(namespace="*", actor="engine")


def _fulfil(future: Future[State], build: StageBuild, stop: Stop) -> None:
    """Build one stage for all who wait for it; its failure ends the other stages, too."""
    try:
        future.set_result(build.run())
    except BaseException as error:
        future.set_exception(error)
        stop.fail()


def _first_failure_or(job: Job, plan: Plan) -> State:
    """Return the target's state, or raise what failed first; stages that were ended for it are not the reason."""
    errors = [error for node in plan.graph.nodes if (error := job.futures[node.index].exception()) is not None]
    for error in [e for e in errors if not isinstance(e, Canceled)] or errors:
        raise error
    return job.futures[plan.graph.target].result()


def _status(failure: BerthError | None, stop: Stop) -> BuildStatus:
    if failure is None:
        return BuildStatus.DONE
    return BuildStatus.CANCELED if isinstance(failure, Canceled) or stop.was_asked else BuildStatus.FAILED


def without_credentials(address: str) -> str:
    """Return a remote context's address without what may be a password."""
    head, separator, rest = address.partition("://")
    if not separator:
        return address
    host, slash, path = rest.partition("/")
    return f"{head}://{host.rpartition('@')[2]}{slash}{path}"
