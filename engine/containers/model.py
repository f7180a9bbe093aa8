"""A container as a value: what was asked for, what it has, how it is.

Frozen: a change is `dataclasses.replace` and `ContainerStore.save`. Field names are Docker's in snake case, units as
Docker's (bytes, microseconds for cpu period and quota, nanoseconds for health intervals, 1e-9 cpus); `None` where
Docker tells "not given" from zero. `engine.api.wire` alone knows the JSON names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.values import Endpoint, EndpointConfig, HealthConfig, PortBinding

DEFAULT_MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
"""Hidden from a container whose request leaves MaskedPaths open (Docker 28)."""
DEFAULT_READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class Status(StrEnum):
    """Docker's container states."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Config:
    """Docker's `Config`: what does not depend on the host."""

    image: str = ""
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    """None: not given, the image's holds; () given empty: no entrypoint."""
    args_escaped: bool = False
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    healthcheck: HealthConfig | None = None
    stop_signal: str | None = None
    stop_timeout: int | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] | None = None
    network_disabled: bool = False
    mac_address: str = ""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """`no`, `always`, `unless-stopped` or `on-failure`."""

    name: str = "no"
    maximum_retry_count: int = 0


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Docker's log driver (`json-file`, `local`, `none`) and its options."""

    type: str = "json-file"
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MountSpec:
    """An entry of HostConfig.Mounts as asked for."""

    type: str
    target: str
    source: str = ""
    read_only: bool = False
    consistency: str = ""
    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False
    no_copy: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""
    driver_options: Mapping[str, str] = field(default_factory=dict)
    subpath: str = ""
    tmpfs_size: int = 0
    tmpfs_mode: int = 0
    tmpfs_options: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Ulimit:
    """An rlimit by Docker's name (`nofile`)."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class BlockLimit:
    """A limit of one block device of the host: bytes or operations a second, or a weight."""

    path: str
    amount: int


@dataclass(frozen=True, slots=True)
class Device:
    """A host device given to the container."""

    path_on_host: str
    path_in_container: str
    cgroup_permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class HostConfig:
    """Docker's `HostConfig`: what depends on the host."""

    binds: tuple[str, ...] = ()
    mounts: tuple[MountSpec, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    volumes_from: tuple[str, ...] = ()
    volume_driver: str = ""
    network_mode: str = "default"
    port_bindings: tuple[PortBinding, ...] = ()
    publish_all_ports: bool = False
    restart_policy: RestartPolicy = RestartPolicy()
    auto_remove: bool = False
    log_config: LogConfig = LogConfig()
    container_id_file: str = ""
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    readonly_rootfs: bool = False
    security_opt: tuple[str, ...] = ()
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    group_add: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    ipc_mode: str = ""
    pid_mode: str = ""
    uts_mode: str = ""
    userns_mode: str = ""
    cgroupns_mode: str = ""
    cgroup_parent: str = ""
    runtime: str = ""
    init: bool | None = None
    shm_size: int = 0
    oom_score_adj: int = 0
    oom_kill_disable: bool | None = None
    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int | None = None
    blkio_weight: int = 0
    blkio_weight_device: tuple[BlockLimit, ...] = ()
    blkio_device_read_bps: tuple[BlockLimit, ...] = ()
    blkio_device_write_bps: tuple[BlockLimit, ...] = ()
    blkio_device_read_iops: tuple[BlockLimit, ...] = ()
    blkio_device_write_iops: tuple[BlockLimit, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    storage_opt: Mapping[str, str] = field(default_factory=dict)
    console_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class HealthResult:
    """One run of the health check."""

    start_ns: int
    end_ns: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """`starting`, `healthy` or `unhealthy`, and the last five results."""

    status: str = "starting"
    failing_streak: int = 0
    log: tuple[HealthResult, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """How the container is. `exit_code` is the last run's; times 0 for never."""

    status: Status = Status.CREATED
    pid: int = 0
    conmon_pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_ns: int = 0
    finished_ns: int = 0
    restart_count: int = 0
    stopped_by_user: bool = False
    """Asked to stop, so that no restart policy brings it back."""
    health: Health | None = None

    @property
    def is_running(self) -> bool:
        """Whether its processes exist (paused counts)."""
        return self.status in (Status.RUNNING, Status.PAUSED)


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A mount as it is: `source` is the host path, "" for tmpfs."""

    type: str
    destination: str
    source: str = ""
    name: str = ""
    """The volume's name, for type `volume`."""
    driver: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    options: tuple[str, ...] = ()
    """Further mount(8) options, of tmpfs above all."""
    anonymous: bool = False
    """An anonymous volume: removed with the container by `rm -v` and `--rm`."""


@dataclass(frozen=True, slots=True)
class Container:
    """Everything about one container. Stored as one JSON document."""

    id: str
    namespace: str
    name: str
    """Without Docker's leading slash."""
    created_ns: int
    image_id: str
    """sha256:…; "" where the image is not of a store."""
    chain: tuple[str, ...]
    """Chain ids of the image's layers, base first; the last is the snapshot's parent."""
    config: Config
    """Merged with the image's config."""
    host_config: HostConfig
    networks: tuple[EndpointConfig, ...] = ()
    """Networks to join at start; empty for none, host and container: modes."""
    mounts: tuple[MountPoint, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    """As of the last start; addresses are empty while stopped."""
    ports: tuple[PortBinding, ...] = ()
    """Published ports with their host ports, while running."""
    sandbox: str = ""
    """Name of the network sandbox while running."""
    state: State = State()
    created_by: str = ""
    platform: str = "linux"

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line: entrypoint, then cmd."""
        return (self.config.entrypoint or ()) + (self.config.cmd or ())
