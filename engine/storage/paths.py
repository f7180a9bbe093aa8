"""Every path the engine owns, in one place.

    DATA_ROOT/engine/                       0700 root
        engine.db                           the state (SQLite, WAL)
        instance                            8 hex digits: names this instance's bridges, nft table, cgroups
        blobs/sha256/<hex>                  content-addressed, verified before the rename that puts them here
        ingest/<name>                       downloads under way, resumable
        layers/<hex of chain id>/           an unpacked layer: fs/ (overlay whiteouts)
        snapshots/<container id>/           upper/ work/ of a container's root
        containers/<container id>/          hostname hosts resolv.conf, log (conmon's k8s-file), log.N rotated
        volumes/<namespace>/<name>/_data
        builds/<build id>/                  log; while it runs context/ and more
        build-mounts/<namespace>/<name>/    cache mounts of builds
        log-archive/<namespace>/<id>/       a removed container's log.zst (until it is built: log, log.N)
    RUN_ROOT/                               0755; may be a tmpfs
        engine.sock web.sock engine.pid
        ns/mnt                              the engine's mount namespace, pinned
        netns/<name>                        network sandboxes, pinned
        names.sock                          to the resolver of containers' names, a process that outlives the engine
        forwarding                          whether the kernel's forwarding is on for our sake only
        exits/<container id>                conmon's exit files
        rootfs/<container id>/              mount point of a container's overlay root
        bundles/<container id>/             config.json, conmon pid and attach sockets
        crun/                               crun's --root
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """All paths, derived from the two roots."""

    data_root: Path
    run_root: Path

    @property
    def engine(self) -> Path:
        """The engine's private folder."""
        return self.data_root / "engine"

    @property
    def database(self) -> Path:
        """The state file."""
        return self.engine / "engine.db"

    @property
    def blobs(self) -> Path:
        """Blobs by digest."""
        return self.engine / "blobs"

    @property
    def ingest(self) -> Path:
        """Downloads under way."""
        return self.engine / "ingest"

    @property
    def layers(self) -> Path:
        """Unpacked layers."""
        return self.engine / "layers"

    @property
    def snapshots(self) -> Path:
        """Writable layers of containers."""
        return self.engine / "snapshots"

    @property
    def containers(self) -> Path:
        """Files of containers: logs, hosts, resolv.conf."""
        return self.engine / "containers"

    @property
    def volumes(self) -> Path:
        """Named volumes, by namespace."""
        return self.engine / "volumes"

    @property
    def log_archive(self) -> Path:
        """Logs of removed containers, by namespace and container id."""
        return self.engine / "log-archive"

    @property
    def builds(self) -> Path:
        """Builds: what one needs while it runs, and its log."""
        return self.engine / "builds"

    @property
    def build_mounts(self) -> Path:
        """What `RUN --mount=type=cache` keeps, by namespace."""
        return self.engine / "build-mounts"

    @property
    def exits(self) -> Path:
        """Exit files that conmon writes."""
        return self.run_root / "exits"

    @property
    def rootfs(self) -> Path:
        """Mount points of container roots."""
        return self.run_root / "rootfs"

    @property
    def bundles(self) -> Path:
        """OCI bundles of running containers."""
        return self.run_root / "bundles"

    @property
    def crun(self) -> Path:
        """The OCI runtime's state."""
        return self.run_root / "crun"

    @property
    def names_socket(self) -> Path:
        """Where the resolver of containers' names listens."""
        return self.run_root / "names.sock"

    @property
    def forwarding(self) -> Path:
        """Says whether the kernel's forwarding is on for our sake only."""
        return self.run_root / "forwarding"

    @property
    def netns(self) -> Path:
        """Pinned network namespaces."""
        return self.run_root / "netns"

    @property
    def mount_namespace(self) -> Path:
        """The engine's pinned mount namespace."""
        return self.run_root / "ns" / "mnt"

    def container(self, container_id: str) -> Path:
        """The folder of one container's files."""
        return self.containers / container_id

    def log(self, container_id: str) -> Path:
        """The container's current log file, as conmon writes it."""
        return self.container(container_id) / "log"

    def bundle(self, container_id: str) -> Path:
        """The container's OCI bundle."""
        return self.bundles / container_id

    def ensure(self) -> None:
        """Make the folders that must be there, with their modes."""
        self.data_root.mkdir(parents=True, exist_ok=True, mode=0o755)
        self.run_root.mkdir(parents=True, exist_ok=True, mode=0o755)
        self.engine.mkdir(exist_ok=True, mode=0o700)
        self.engine.chmod(0o700)
        for folder in (self.blobs / "sha256", self.ingest, self.layers, self.snapshots, self.containers, self.volumes):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.builds, self.build_mounts):
            folder.mkdir(exist_ok=True, mode=0o700)
        for folder in (self.exits, self.rootfs, self.bundles, self.crun, self.netns):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
