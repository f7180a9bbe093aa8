"""How the parts of the engine are put together. Read it top to bottom: nothing here decides, it only wires.

`Assembly` makes every part and pushes its end on the daemon's stack; `recover` makes records and kernel agree.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack

from config.settings import Settings
from engine.build.store import BuildStore, CacheStore
from engine.containers.model import Container
from engine.containers.store import ContainerStore
from engine.events import Bus
from engine.images.store import ImageStore
from engine.kernel import cgroups, proc
from engine.locks import NamedLocks
from engine.logs.store import ArchiveStore, Policy
from engine.registry.client import Registries
from engine.registry.transport import Transport
from engine.runtime import crun
from engine.runtime.watcher import ConmonWatcher
from engine.services.attach import AttachPoints
from engine.services.build_cache import BuildCache, CacheLimits
from engine.services.build_context import Limits
from engine.services.build_remote import NoRemote
from engine.services.build_run import StepRunner
from engine.services.builds import Builds
from engine.services.commit import Commits
from engine.services.container_files import ContainerFiles
from engine.services.containers import Containers
from engine.services.creation import Creation
from engine.services.execs import Execs
from engine.services.gc import Garbage
from engine.services.health import HealthChecks
from engine.services.image_archives import ImageArchives
from engine.services.images import Images
from engine.services.journal import Journal
from engine.services.launch import Launcher
from engine.services.layer_views import LayerViews
from engine.services.lifecycle import Lifecycle
from engine.services.links import Links
from engine.services.log_archive import LogArchive
from engine.services.log_blocks import LogBlocks
from engine.services.log_search import LogSearch
from engine.services.log_sources import LogSources
from engine.services.logs import Logs
from engine.services.networks import Networks
from engine.services.pull import Pulls
from engine.services.push import Pushes
from engine.services.reconcile import Reconciler
from engine.services.removal import Removal
from engine.services.seed import Seed
from engine.services.specs import Specs
from engine.services.stats import Stats
from engine.services.system import System
from engine.services.top import Top
from engine.services.upkeep import Upkeep
from engine.services.usage_feed import UsageFeed
from engine.services.volumes import Volumes
from engine.services.waiters import Waiters
from engine.storage import migrate
from engine.storage.content import Content
from engine.storage.db import Database
from engine.storage.layers import Layers
from engine.storage.paths import Paths
from engine.storage.snapshots.overlay import OverlaySnapshots
from engine.values import Scope


class Assembly:
    """Every part of one engine."""

    def __init__(self, settings: Settings, paths: Paths, instance: str, stack: ExitStack) -> None:
        self._settings = settings
        self._paths = paths
        self._instance = instance
        self._stack = stack
        self._state()
        self._images()
        self._nouns()
        self._processes()
        self._containers()

    def _state(self) -> None:
        migrate.upgrade(self._paths.database)
        self.bus = Bus()
        self.database = Database(self._paths.database, self.bus)
        self._stack.callback(self.database.close)
        self._stack.callback(self.bus.close)
        self.locks = NamedLocks()
        self.journal = Journal(self.database, self.bus)
        self.upkeep = Upkeep(
            self.database, journal_days=self._settings.journal_days, journal_rows=self._settings.journal_rows
        )
        self._stack.callback(self.upkeep.close)
        self.store = ContainerStore(self.database)
        self.snapshots = OverlaySnapshots(self._paths)

    def _images(self) -> None:
        store = ImageStore(self.database)
        self.content = Content(self._paths)
        self.layers = Layers(self._paths)
        self._stack.callback(self.layers.close)
        self.garbage = Garbage(store, self.content, self.layers, self.snapshots)
        self.images = Images(
            database=self.database, store=store, content=self.content, layers=self.layers, garbage=self.garbage
        )
        self._stack.callback(self.images.close)
        self.images.set_container_lookup(self.store.all)
        self.image_archives = ImageArchives(self.images, self.content, self.layers, self.garbage)
        transport = Transport(self._settings.certs_dir, self._settings.insecure_registries)
        registries = Registries(transport, self._settings.registry_mirrors)
        self._stack.callback(registries.close)
        self.pulls = Pulls(
            registries=registries,
            images=self.images,
            content=self.content,
            layers=self.layers,
            garbage=self.garbage,
        )
        self.pushes = Pushes(
            registries=registries,
            images=self.images,
            content=self.content,
            layers=self.layers,
            garbage=self.garbage,
        )
        self.seed = Seed(self.images, self.content, self.layers, self.garbage)

    def _nouns(self) -> None:
        self.volumes = Volumes(self.database, self._paths)
        self._stack.callback(self.volumes.close)
        self.volumes.set_container_lookup(self.store.all)
        self.networks = Networks(self.database, self._paths, self._settings, self._instance)
        self._stack.callback(self.networks.close)

    def _processes(self) -> None:
        folders = crun.Folders(self._paths.bundles, self._paths.exits, self._paths.crun)
        self.cgroups = cgroups.detect()
        programs = crun.seal_runtime(crun.find_programs(self._paths.crun), self._paths.run_root / "bin")
        self.runtime = crun.CrunRuntime(folders, programs, self.cgroups)
        self._stack.callback(self.runtime.close)
        self.watcher = ConmonWatcher(self._paths.exits, self._paths.bundles, self.runtime)
        self._logs()
        self.links = Links(self.store, self.locks)
        self._stack.callback(self.links.close)
        self.links.set_refresh(self.networks.refresh)
        self.networks.set_links(self.links)
        self.specs = Specs(
            paths=self._paths,
            instance=self._instance,
            machine_cgroups=self.cgroups,
            find=self.store.find,
            runtime_loads_bpf=self.runtime.loads_bpf,
            open_files=proc.raise_open_files(),
            link_environment=self.links.environment,
        )
        self.stats = Stats(self.cgroups, find=self.store.find, cgroup_of=self.specs.cgroup)
        self.usage = UsageFeed(self.stats.sample, self.store.all)
        self._stack.callback(self.usage.close)
        self.top = Top(self.cgroups, cgroup_of=self.specs.cgroup)
        self.system = System(self._settings, self._instance, self.cgroups, self.networks.warnings)

    def _logs(self) -> None:
        names = threading.Lock()
        settings = self._settings
        policy = Policy(settings.log_days, settings.log_bytes, settings.log_count, settings.log_live_bytes)
        self.log_archive = LogArchive(ArchiveStore(self.database, policy), self._paths, names)
        self._stack.callback(self.log_archive.close)
        self.logs = Logs(
            self._paths,
            find=self.store.find,
            reopen=self.runtime.reopen_log,
            archive=self.log_archive,
            names=names,
        )
        self._stack.callback(self.logs.close)
        self.log_archive.observe(self._log_policy_changed)
        self.log_sources = LogSources(self.logs, self.log_archive, self.store.all)
        self.log_search = LogSearch(self.log_sources)
        self._stack.callback(self.log_search.close)
        self.log_blocks = LogBlocks(self.log_sources, self.logs, self.log_archive)

    def _log_policy_changed(self, namespace: str) -> None:
        for container in self.store.all():
            if container.namespace == namespace and container.state.is_running:
                self.logs.on_change(container)

    def _containers(self) -> None:
        self.waiters = Waiters()
        attach_points = AttachPoints()
        self.launcher = Launcher(
            paths=self._paths,
            runtime=self.runtime,
            watcher=self.watcher,
            snapshots=self.snapshots,
            networks=self.networks,
            attach_points=attach_points,
            build_spec=self.specs.build,
        )
        self.removal = Removal(
            database=self.database,
            store=self.store,
            paths=self._paths,
            snapshots=self.snapshots,
            volumes=self.volumes,
            logs=self.logs,
            archive=self.log_archive,
            waiters=self.waiters,
        )
        self._stack.callback(self.removal.close)
        self.lifecycle = Lifecycle(
            database=self.database,
            store=self.store,
            locks=self.locks,
            runtime=self.runtime,
            launcher=self.launcher,
            removal=self.removal,
            waiters=self.waiters,
            attach_points=attach_points,
            mount_events=self.volumes.mount_events,
            memory_bounds=lambda container: self.cgroups.memory_bounds(self.specs.cgroup(container)),
        )
        self._stack.callback(self.lifecycle.close)
        self._stack.callback(self.watcher.close)
        self._facades(attach_points)

    def _facades(self, attach_points: AttachPoints) -> None:
        creation = Creation(
            database=self.database,
            store=self.store,
            images=self.images,
            networks=self.networks,
            volumes=self.volumes,
            snapshots=self.snapshots,
            logs=self.logs,
            garbage=self.garbage,
            links=self.links,
            private_cgroups=self.cgroups.is_v2,
            warm=self.runtime.warm,
            machine_warnings=self.specs.warnings,
        )
        self.containers = Containers(
            database=self.database,
            store=self.store,
            locks=self.locks,
            runtime=self.runtime,
            images=self.images,
            snapshots=self.snapshots,
            networks=self.networks,
            creation=creation,
            lifecycle=self.lifecycle,
            waiters=self.waiters,
            attach_points=attach_points,
            links=self.links,
            resources=self.specs.resources,
        )
        self.networks.set_containers(self.containers)
        self._builds()
        self.files = ContainerFiles(
            database=self.database, store=self.store, locks=self.locks, paths=self._paths, snapshots=self.snapshots
        )
        self.commits = Commits(
            database=self.database,
            store=self.store,
            locks=self.locks,
            runtime=self.runtime,
            snapshots=self.snapshots,
            images=self.images,
            content=self.content,
            layers=self.layers,
            garbage=self.garbage,
        )
        self.layer_views = LayerViews(
            images=self.images,
            containers=self.store,
            snapshots=self.snapshots,
            layers=self.layers,
            garbage=self.garbage,
        )
        self.execs = Execs(self.database, self.containers, self.runtime, self.watcher, self.specs.process)
        self._stack.callback(self.execs.close)
        self.health = HealthChecks(database=self.database, store=self.store, locks=self.locks, run=self.execs.run_check)
        self._stack.callback(self.health.close)
        self.lifecycle.observe(self.logs.on_change)
        self.lifecycle.observe(self.links.on_change)
        self.lifecycle.observe(self.health.observe)

    def _builds(self) -> None:
        settings = self._settings
        cache = BuildCache(
            database=self.database,
            store=CacheStore(self.database),
            layers=self.layers,
            garbage=self.garbage,
            paths=self._paths,
            limits=CacheLimits(settings.build_cache_bytes, settings.build_cache_days),
            image_chains=self.images.chains,
        )
        runner = StepRunner(
            paths=self._paths,
            runtime=self.runtime,
            watcher=self.watcher,
            snapshots=self.snapshots,
            networks=self.networks,
            build_spec=self.specs.build,
            private_cgroups=self.cgroups.is_v2,
        )
        self.builds = Builds(
            database=self.database,
            store=BuildStore(self.database),
            cache=cache,
            paths=self._paths,
            images=self.images,
            pulls=self.pulls,
            content=self.content,
            layers=self.layers,
            snapshots=self.snapshots,
            garbage=self.garbage,
            runner=runner,
            remote=NoRemote(),
            limits=Limits(settings.build_context_bytes),
            parallel=settings.build_parallel,
        )
        self._stack.callback(self.builds.close)

    def recover(self) -> list[Container]:
        """Make records and kernel agree; return the containers that their policies want started now."""
        self.images.recover()
        self.volumes.reconcile()
        self.log_archive.load()
        self.watcher.start(self.lifecycle.on_exit)
        reconciler = Reconciler(
            paths=self._paths,
            store=self.store,
            locks=self.locks,
            runtime=self.runtime,
            watcher=self.watcher,
            snapshots=self.snapshots,
            networks=self.networks,
            launcher=self.launcher,
            lifecycle=self.lifecycle,
            removal=self.removal,
        )
        due = reconciler.run()
        self.builds.recover()
        self.networks.start()
        running = [container for container in self.store.all() if container.state.is_running]
        self.logs.start(running)
        self.log_archive.start()
        self.execs.recover(running)
        for container in running:
            self.health.observe(container)
        self.upkeep.start()
        if self._settings.seed_busybox:
            self.seed.ensure(Scope(actor="engine"))
        return due
