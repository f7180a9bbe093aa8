"""Host ports: each published one is held by a socket of ours, so that nobody else on the host can take it.

The kernel decides what collides: another container's port and another program's are the same to it. Traffic never
reaches these sockets: nftables has rewritten its destination before. TCP ones listen, because a bound socket alone
does not keep out a program that sets SO_REUSEADDR.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from engine.errors import InvalidArgument, Unsupported
from engine.networks.rules import is_everywhere
from engine.values import PortBinding

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "sctp": socket.SOCK_STREAM}
_ANY, _ANY6 = "0.0.0.0", "::"  # noqa: S104 - Docker's words for every address
_FIRST_NUMBER = 1024
_ATTEMPTS = 20
"""How many free ports of one family are tried until one is free in the other too."""


class PortTaken(Exception):
    """No port of a binding could be had; the message is Docker's, without the endpoint's part."""


class PortTable:
    """The host ports held by this instance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[PortBinding, socket.socket] = {}

    def take(self, bindings: Iterable[PortBinding], default_ip: str, *, ipv6: bool = False) -> tuple[PortBinding, ...]:
        """Hold a host port for each binding and return the bindings with them; all or none.

        A binding without a host port gets a free one, one with a range the first free of it. One for no address in
        particular is held on `default_ip`; where that is every address and the container has IPv6, on `::` as well, by
        the same number. Raises PortTaken.
        """
        with ExitStack() as undo:
            found: list[PortBinding] = []
            for binding in bindings:
                both = ipv6 and not binding.host_ip and default_ip == _ANY
                wanted = replace(binding, host_ip=binding.host_ip or default_ip)
                for taken in self._take_both(wanted) if both else (self._take_one(wanted),):
                    undo.callback(self.give_back, (taken,))
                    found.append(taken)
            undo.pop_all()
        return tuple(found)

    def adopt(self, bindings: Iterable[PortBinding]) -> list[PortBinding]:
        """Hold the ports of a container that runs already; return those that somebody else has taken meanwhile."""
        lost = []
        for binding in bindings:
            try:
                self._take_one(binding)
            except PortTaken:
                lost.append(binding)
        return lost

    def give_back(self, bindings: Sequence[PortBinding]) -> None:
        """Let go of ports; those not held are ignored."""
        for binding in bindings:
            with self._lock:
                holder = self._held.pop(binding, None)
            if holder is not None:
                holder.close()

    def close(self) -> None:
        """Let go of all ports."""
        self.give_back(list(self._held))

    def _take_both(self, binding: PortBinding) -> tuple[PortBinding, PortBinding]:
        """Hold one number for both families."""
        first, last = binding.host_port, max(binding.host_port, binding.host_port_end)
        for attempt in range(_ATTEMPTS):
            taken = self._take_one(binding)
            try:
                return taken, self._take_one(replace(taken, host_ip=_ANY6))
            except PortTaken:
                self.give_back((taken,))
                if attempt == _ATTEMPTS - 1 or (first and taken.host_port >= last):
                    raise
                if first:
                    binding = replace(binding, host_port=taken.host_port + 1, host_port_end=last)
        raise AssertionError("the last attempt returns or raises")

    def _take_one(self, binding: PortBinding) -> PortBinding:
        first, last = binding.host_port, max(binding.host_port, binding.host_port_end)
        for port in range(first, last + 1):
            try:
                holder = _hold(binding, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise PortTaken(_refused(binding, port, error)) from error
                continue
            taken = replace(binding, host_port=holder.getsockname()[1], host_port_end=0)
            with self._lock:
                self._held[taken] = holder
            return taken
        span = f"{first}-{last}" if last > first else str(first)
        place = f"{_shown(binding.host_ip)}:{span}"
        message = f"Bind for {place} failed: port is already allocated"
        if not self._is_ours(binding.protocol, range(first, last + 1)):
            message += f" (listen {binding.protocol}{_family(binding)} {place}: bind: address already in use)"
        raise PortTaken(message)

    def _is_ours(self, protocol: str, span: range) -> bool:
        """Say whether a container of this instance has a port of the span; if not, another program has it."""
        with self._lock:
            return any(held.protocol == protocol and held.host_port in span for held in self._held)


def check_bindings(bindings: Iterable[PortBinding]) -> None:
    """Raise InvalidArgument or Unsupported for bindings that can't be published."""
    for binding in bindings:
        if binding.protocol not in _KINDS or (binding.protocol == "sctp" and not has_sctp()):
            raise Unsupported(f"publishing {binding.protocol} ports is not supported: the kernel has tcp and udp only")
        if not is_everywhere(binding.host_ip):
            try:
                ipaddress.ip_address(binding.host_ip)
            except ValueError as error:
                raise InvalidArgument(f"invalid IP address in port binding: {binding.host_ip!r}") from error
        if binding.host_ip == "::1":
            raise Unsupported("publishing on ::1 is not supported: the kernel can't rewrite it; 127.0.0.1 can be had")
        if not 0 < binding.container_port < 65536:
            raise InvalidArgument(f"invalid port specification: {binding.key!r}")
        if not (0 <= binding.host_port < 65536 and 0 <= binding.host_port_end < 65536):
            raise InvalidArgument(f"invalid port specification: {binding.host_port}")


def has_sctp() -> bool:
    """Say whether the kernel has SCTP."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def exposed(ports: Iterable[str]) -> list[PortBinding]:
    """Return bindings to free host ports for exposed ports (`80/tcp`, `8000-8010/udp`), for publish-all."""
    found: list[PortBinding] = []
    for entry in ports:
        span, _, protocol = entry.partition("/")
        first, _, last = span.partition("-")
        try:
            numbers = range(int(first), int(last or first) + 1)
        except ValueError as error:
            raise InvalidArgument(f"invalid port specification: {entry!r}") from error
        found.extend(PortBinding(number, protocol or "tcp") for number in numbers)
    return found


def _hold(binding: PortBinding, port: int) -> socket.socket:
    is_v6 = ":" in binding.host_ip
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    protocol = socket.IPPROTO_SCTP if binding.protocol == "sctp" else 0
    holder = socket.socket(family, _KINDS[binding.protocol] | socket.SOCK_CLOEXEC, protocol)
    try:
        if is_v6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if binding.protocol == "udp":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        else:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((binding.host_ip, port))
        if binding.protocol != "udp":
            holder.listen(0)
        return _moved_up(holder)
    except BaseException:
        holder.close()
        raise


def _moved_up(holder: socket.socket) -> socket.socket:
    """Return the socket under a number that select(2) does not know: libnftables uses it, and needs the low ones."""
    try:
        number = fcntl.fcntl(holder.fileno(), fcntl.F_DUPFD_CLOEXEC, _FIRST_NUMBER)
    except OSError:
        return holder  # the process may not have so many
    holder.close()
    return socket.socket(fileno=number)


def _refused(binding: PortBinding, port: int, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"listen {binding.protocol}{_family(binding)} {_shown(binding.host_ip)}:{port}: bind: {reason}"


def _family(binding: PortBinding) -> int:
    return 6 if ":" in binding.host_ip else 4


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address
