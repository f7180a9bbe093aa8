"""Info, version and the answers of a Docker that is in no swarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config import contract
from engine.api.wire.container import DRIVER
from engine.api.wire.host_config import DEFAULT_RUNTIME
from engine.clock import render_ns
from engine.containers.model import Container, Status
from engine.services.system import Facts

NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)
PING_HEADERS = (
    ("Builder-Version", "1"),
    ("Swarm", "inactive"),
    ("Cache-Control", "no-cache, no-store, must-revalidate"),
    ("Pragma", "no-cache"),
)
_INDEX = "https://index.docker.io/v1/"


def render_version(facts: Facts) -> dict[str, Any]:
    """Return SystemVersion."""
    engine = {
        "ApiVersion": contract.API_VERSION,
        "Arch": facts.architecture,
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": f"python{facts.python_version}",
        "KernelVersion": facts.kernel_version,
        "MinAPIVersion": contract.MIN_API_VERSION,
        "Os": "linux",
    }
    components = [{"Name": "Engine", "Version": contract.PRODUCT_VERSION, "Details": engine}]
    components += [
        {"Name": program.name, "Version": program.version, "Details": {"GitCommit": program.commit}}
        for program in facts.programs
    ]
    top = {name: value for name, value in engine.items() if name not in ("Experimental",)}
    return {"Platform": {"Name": "Berth"}, "Components": components, "Version": contract.PRODUCT_VERSION} | top


def render_info(
    facts: Facts,
    *,
    containers: Sequence[Container],
    images: int,
    warnings: Sequence[str],
    forwards_ipv4: bool,
    now_ns: int,
    listeners: int = 0,
) -> dict[str, Any]:
    """Return SystemInfo."""
    states = [container.state.status for container in containers]
    paused = states.count(Status.PAUSED)
    running = states.count(Status.RUNNING) + states.count(Status.RESTARTING)
    return {
        "ID": facts.id,
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": images,
        "Driver": DRIVER,
        "DriverStatus": [["driver-type", "overlayfs on unpacked layers"]],
        "SystemTime": render_ns(now_ns),
        "NEventsListener": listeners,
        "IPv4Forwarding": forwards_ipv4,
        "Warnings": list(warnings) or None,
        **_machine(facts),
        **_limits(facts),
        **_engine(facts),
        **_registries(facts),
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
    }


def _machine(facts: Facts) -> dict[str, Any]:
    return {
        "Name": facts.host_name,
        "KernelVersion": facts.kernel_version,
        "OperatingSystem": facts.operating_system,
        "OSVersion": facts.os_version,
        "OSType": "linux",
        "Architecture": facts.machine,
        "NCPU": facts.cpus,
        "MemTotal": facts.memory_bytes,
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": facts.cgroup_version,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
    }


def _limits(facts: Facts) -> dict[str, Any]:
    limits = facts.limits
    return {
        "MemoryLimit": limits.memory,
        "SwapLimit": limits.swap,
        "CpuCfsPeriod": limits.cpu_quota,
        "CpuCfsQuota": limits.cpu_quota,
        "CPUShares": limits.cpu_shares,
        "CPUSet": limits.cpuset,
        "PidsLimit": limits.pids,
        "OomKillDisable": limits.oom_kill_disable,
    }


def _engine(facts: Facts) -> dict[str, Any]:
    commits = {program.name: {"ID": program.commit} for program in facts.programs}
    return {
        "ServerVersion": contract.PRODUCT_VERSION,
        "DockerRootDir": facts.data_root,
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file", "local", "none"],
        },
        "LoggingDriver": "json-file",
        "Debug": False,
        "NFd": 0,
        "NGoroutines": 0,
        "GenericResources": None,
        "Labels": [],
        "ExperimentalBuild": False,
        "Runtimes": {DEFAULT_RUNTIME: {"path": DEFAULT_RUNTIME}},
        "DefaultRuntime": DEFAULT_RUNTIME,
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "catatonit",
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": commits.get(DEFAULT_RUNTIME, {"ID": ""}),
        "InitCommit": {"ID": ""},
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "DefaultAddressPools": [{"Base": facts.address_pool, "Size": 24}],
        "FirewallBackend": {"Driver": "nftables"},
        "CDISpecDirs": [],
    }


def _registries(facts: Facts) -> dict[str, Any]:
    insecure = ["127.0.0.0/8", *(name for name in facts.insecure_registries if "/" in name)]
    mirrors = list(facts.registry_mirrors)
    configs = {
        name: {"Name": name, "Mirrors": [], "Secure": False, "Official": False}
        for name in facts.insecure_registries
        if "/" not in name
    }
    configs["docker.io"] = {"Name": "docker.io", "Mirrors": mirrors, "Secure": True, "Official": True}
    return {
        "IndexServerAddress": _INDEX,
        "RegistryConfig": {
            "InsecureRegistryCIDRs": insecure,
            "IndexConfigs": configs,
            "Mirrors": mirrors,
        },
    }
