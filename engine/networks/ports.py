"""Host ports: each published one is held by a socket of ours, so that nobody else on the host can take it.

The kernel decides what collides: another container's port and another program's are the same to it. Traffic never
reaches these sockets: nftables has rewritten its destination before. TCP ones listen, because a bound socket alone
does not keep out a program that sets SO_REUSEADDR.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from engine.errors import InvalidArgument, Unsupported
from engine.networks.rules import is_everywhere
from engine.values import PortBinding

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class PortTaken(Exception):
    """No port of a binding could be had; the message is Docker's, without the endpoint's part."""


class PortTable:
    """The host ports held by this instance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[PortBinding, socket.socket] = {}

    def take(self, bindings: Iterable[PortBinding], default_ip: str) -> tuple[PortBinding, ...]:
        """Hold a host port for each binding and return the bindings with them; all or none.

        A binding without a host port gets a free one, one with a range the first free of it. Raises PortTaken.
        """
        with ExitStack() as undo:
            found: list[PortBinding] = []
            for binding in bindings:
                taken = self._take_one(replace(binding, host_ip=binding.host_ip or default_ip))
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
        message = f"Bind for {binding.host_ip}:{span} failed: port is already allocated"
        if not self._is_ours(binding.protocol, range(first, last + 1)):
            message += f" (listen {binding.protocol}4 {binding.host_ip}:{span}: bind: address already in use)"
        raise PortTaken(message)

    def _is_ours(self, protocol: str, span: range) -> bool:
        """Say whether a container of this instance has a port of the span; if not, another program has it."""
        with self._lock:
            return any(held.protocol == protocol and held.host_port in span for held in self._held)


def check_bindings(bindings: Iterable[PortBinding]) -> None:
    """Raise InvalidArgument or Unsupported for bindings that can't be published."""
    for binding in bindings:
        if binding.protocol not in _KINDS:
            raise Unsupported(f"publishing {binding.protocol} ports is not supported: tcp and udp are")
        if ":" in binding.host_ip:
            raise Unsupported(f"publishing on an IPv6 address is not supported: {binding.host_ip}")
        if not is_everywhere(binding.host_ip):
            try:
                socket.inet_aton(binding.host_ip)
            except OSError as error:
                raise InvalidArgument(f"invalid IP address in port binding: {binding.host_ip!r}") from error
        if not 0 < binding.container_port < 65536:
            raise InvalidArgument(f"invalid port specification: {binding.key!r}")
        if not (0 <= binding.host_port < 65536 and 0 <= binding.host_port_end < 65536):
            raise InvalidArgument(f"invalid port specification: {binding.host_port}")


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
    holder = socket.socket(socket.AF_INET, _KINDS[binding.protocol] | socket.SOCK_CLOEXEC)
    try:
        if binding.protocol == "tcp":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        holder.bind((binding.host_ip, port))
        if binding.protocol == "tcp":
            holder.listen(0)
    except BaseException:
        holder.close()
        raise
    return holder


def _refused(binding: PortBinding, port: int, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"listen {binding.protocol}4 {binding.host_ip}:{port}: bind: {reason}"
