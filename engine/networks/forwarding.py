"""Switching the kernel's forwarding on, without making the host a router for others.

Containers need forwarding. Where the host had it off, it is on for our sake only, and the ruleset's guard keeps
traffic from one of the host's other links to another out (Docker does the same with its FORWARD policy). Whether it was
us is kept in a file with the boot's id: sysctls do not outlive a boot.
"""

from __future__ import annotations

import logging
from pathlib import Path

from engine.kernel import netns

_log = logging.getLogger(__name__)

IPV4, IPV6 = "ipv4", "ipv6"
_SWITCHES = {IPV4: "net/ipv4/ip_forward", IPV6: "net/ipv6/conf/all/forwarding"}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_IPV6_LINKS = Path("/proc/sys/net/ipv6/conf")


class Forwarding:
    """The forwarding switches of the calling thread's namespace; `mark` is the file that remembers."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def enable(self, family: str) -> frozenset[str]:
        """Switch a family's forwarding on; return the families that are on for our sake only."""
        ours = self.ours()
        try:
            if netns.read_sysctl(_SWITCHES[family]) == "1":
                return ours
            if family == IPV6:
                _keep_router_advertisements()
            netns.write_sysctl(_SWITCHES[family], "1")
        except OSError as error:
            _log.warning("%s forwarding is off and can't be turned on: bridges lead nowhere error=%s", family, error)
            return ours
        _log.info("%s forwarding turned on for containers; between other links of the host it stays closed", family)
        ours |= {family}
        self._mark.write_text(f"{_boot()} {' '.join(sorted(ours))}\n")
        return ours

    def ours(self) -> frozenset[str]:
        """Return the families that we switched on since the machine's start."""
        try:
            boot, *families = self._mark.read_text().split()
        except (OSError, ValueError):
            return frozenset()
        return frozenset(families) if boot == _boot() else frozenset()


def _keep_router_advertisements() -> None:
    """A link that takes its routes from router advertisements stops to with forwarding on, unless told twice."""
    for link in sorted(_IPV6_LINKS.iterdir()):
        name = f"net/ipv6/conf/{link.name}/accept_ra"
        try:
            if netns.read_sysctl(name) == "1":
                netns.write_sysctl(name, "2")
        except FileNotFoundError:
            continue  # the link has gone


def _boot() -> str:
    return _BOOT_ID.read_text().strip()
