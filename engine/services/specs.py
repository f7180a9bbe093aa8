"""Puts together what a spec needs of this host, and builds it: of containers, of execs, of changed limits."""

from __future__ import annotations

import logging
import os
import resource
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from engine.containers import devices, limits, spec, users
from engine.containers.exec_model import ExecConfig
from engine.containers.limits import Machine
from engine.containers.model import Container, HostConfig
from engine.containers.spec import SpecHost
from engine.containers.spec_mounts import DEFAULT_SHM_SIZE
from engine.errors import Conflict, Internal, InvalidArgument
from engine.kernel import caps, cgroups, seccomp, syscalls
from engine.kernel.cgroups import Cgroups
from engine.runtime import bundle
from engine.storage.paths import Paths

_log = logging.getLogger(__name__)
_INITS = ("/usr/bin/catatonit", "/usr/libexec/podman/catatonit", "/usr/bin/docker-init", "/usr/bin/tini")
_RLIMITS = "as core cpu data fsize memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()


class Sandboxed(Protocol):
    """What joining the networks gave: where the network namespace is, None for the host's."""

    @property
    def netns_path(self) -> Path | None: ...


class Specs:
    """Builds specs on this machine. `find` looks a container up by its full id."""

    def __init__(
        self,
        paths: Paths,
        machine_cgroups: Cgroups,
        instance: str,
        *,
        find: Callable[[str], Container | None],
        runtime_loads_bpf: bool = True,
        open_files: tuple[int, int] | None = None,
        link_environment: Callable[..., tuple[str, ...]] = lambda container, starting=True: (),
    ) -> None:
        self._link_environment = link_environment
        self._paths = paths
        self._cgroups = machine_cgroups
        self._instance = instance
        self._find = find
        self._loads_bpf = runtime_loads_bpf
        self._filters = seccomp.Filters(paths.engine / "seccomp")
        self._profile = seccomp.load_default_profile()
        self._capabilities = caps.available()
        self._machine = look_at_machine(machine_cgroups, self._capabilities, open_files)
        self._init = next((Path(path) for path in _INITS if Path(path).exists()), None)

    def build(self, container: Container, rootfs: Path, joined: Sandboxed) -> dict[str, Any]:
        """Return the OCI spec of a container that is about to start.

        Raises InvalidArgument for a user, device or option that has no meaning, Conflict for a namespace of a
        container that does not run.
        """
        container = self._with_links(container, starting=True)
        _check_working_dir(container.config.working_dir, rootfs)
        asked = container.host_config
        names = spec.container_capabilities(container, self._capabilities)
        bpf, oci_filter = self._filter(container, names)
        host = SpecHost(
            rootfs=rootfs,
            cgroup=self.cgroup(container),
            files=self._paths.container(container.id),
            netns=joined.netns_path,
            user=users.resolve_user(container.config.user, asked.group_add, rootfs),
            is_cgroup_v2=self._cgroups.is_v2,
            bpf=bpf,
            seccomp=oci_filter,
            capabilities=self._capabilities,
            machine=self._machine,
            devices=devices.all_of_host() if asked.privileged else devices.resolve(asked.devices),
            namespaces=self._borrowed(asked),
            shm=self._shared_memory(container),
            init=self._init_program(container),
        )
        return spec.build_spec(container, host)

    def process(self, container: Container, config: ExecConfig) -> dict[str, Any]:
        """Return the OCI process of an exec in a running container. InvalidArgument for a user who is not there."""
        container = self._with_links(container, starting=False)
        # As its processes see it: a volume over /etc counts.
        rootfs = Path(f"/proc/{container.state.pid}/root")
        user = users.resolve_user(config.user or container.config.user, container.host_config.group_add, rootfs)
        host = SpecHost(rootfs=rootfs, cgroup="", user=user, capabilities=self._capabilities, machine=self._machine)
        process = spec.build_exec_process(
            container,
            host,
            config.cmd,
            env=config.env,
            working_dir=config.working_dir,
            tty=config.tty,
            privileged=config.privileged,
        )
        height, width = config.console_size
        if config.tty and height and width:
            process["consoleSize"] = {"height": height, "width": width}
        return process

    def resources(self, host_config: HostConfig) -> dict[str, Any]:
        """Return OCI `linux.resources` for a running container whose limits change."""
        return limits.build_resources(host_config, self._machine)

    def _with_links(self, container: Container, *, starting: bool) -> Container:
        """Return the container with the variables of its links, which its own win over."""
        if not container.host_config.links:
            return container
        env = (*self._link_environment(container, starting=starting), *container.config.env)
        return replace(container, config=replace(container.config, env=env))

    def warnings(self, host_config: HostConfig) -> list[str]:
        """Return, in Docker's words, what was asked for and can't be had on this machine."""
        return limits.find_warnings(host_config, self._machine)

    def cgroup(self, container: Container) -> str:
        """Return the name of a container's cgroup."""
        parent = container.host_config.cgroup_parent
        if parent:
            return f"/{parent.strip('/')}/{container.id}"
        return cgroups.container_cgroup(self._instance, container.namespace, container.id)

    def _filter(self, container: Container, names: Sequence[str]) -> tuple[str, dict[str, Any] | None]:
        option = spec.seccomp_option(container)
        if option == "unconfined":
            return "", None
        profile = seccomp.parse_profile(option) if option else self._profile
        if self._loads_bpf:
            return self._filters.annotation(profile, names), None
        return "", seccomp.to_oci(profile, names)

    def _borrowed(self, asked: HostConfig) -> dict[str, str]:
        found = {}
        for kind, mode in (("pid", asked.pid_mode), ("ipc", asked.ipc_mode), ("uts", asked.uts_mode)):
            if not mode.startswith("container:"):
                continue
            other = self._find(mode.removeprefix("container:"))
            if other is None or not other.state.is_running:
                name = mode.removeprefix("container:")
                raise Conflict(f"cannot join {kind.upper()} of a non running container: {name}")
            found[kind] = f"/proc/{other.state.pid}/ns/{kind}"
        return found

    def _shared_memory(self, container: Container) -> Path | None:
        asked = container.host_config
        if asked.ipc_mode == "shareable":
            size = asked.shm_size or DEFAULT_SHM_SIZE
            return bundle.share_memory(self._paths.bundle(container.id), size)
        if not asked.ipc_mode.startswith("container:"):
            return None
        donor = asked.ipc_mode.removeprefix("container:")
        shared = self._paths.bundle(donor) / bundle.SHARED_MEMORY
        if not shared.is_dir():
            raise Conflict(
                f"cannot join IPC namespace of container {donor}: non-shareable IPC "
                "(hint: use IpcMode:shareable for the donor container)"
            )
        return shared

    def _init_program(self, container: Container) -> Path:
        if self._init is None and spec.wants_init(container):
            raise Internal("no init program on this machine (Debian: apt install catatonit)")
        return self._init or Path(_INITS[0])


def _check_working_dir(path: str, rootfs: Path) -> None:
    """Raise InvalidArgument, in Docker's words, where the working folder is something else; a missing one is made."""
    if path in ("", "/"):
        return
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = syscalls.openat2(root, path.lstrip("/"), os.O_PATH)
    except NotADirectoryError:
        raise InvalidArgument(f"Cannot mkdir: {path} is not a directory") from None
    except OSError:
        return
    finally:
        os.close(root)
    try:
        if not stat.S_ISDIR(os.fstat(found).st_mode):
            raise InvalidArgument(f"Cannot mkdir: {path} is not a directory")
    finally:
        os.close(found)


def look_at_machine(found: Cgroups, capabilities: Sequence[str], open_files: tuple[int, int] | None = None) -> Machine:
    """Return what bounds limits here; say once what is missing."""
    features = found.features()
    may_raise = caps.SYS_RESOURCE in capabilities
    if not may_raise:
        _log.warning("CAP_SYS_RESOURCE is missing: ulimits are clamped to the engine's hard limits")
    return Machine(
        swap_limit=features.swap,
        swappiness=features.swappiness,
        block_weight=features.block_weight,
        rlimit_ceilings={} if may_raise else _ceilings(),
        may_lower_oom_score=may_raise,
        open_files=open_files,
    )


def _ceilings() -> dict[str, int]:
    found = {}
    for name in _RLIMITS:
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is not None:
            found[name] = resource.getrlimit(number)[1]
    return found
