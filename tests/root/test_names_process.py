"""The resolver's process and the engine's end of it: real processes, sockets on loopback instead of in a sandbox."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.networks.dns import server
from engine.networks.dns.link import ResolverLink
from engine.networks.dns.zone import Entry
from engine.networks.sandboxes import Sandbox
from tests.support.docker_cli import eventually
from tests.unit.engine.networks.dns.test_resolver import question

SANDBOX = Sandbox("s", Path("/nowhere"))


class Lab:
    """Where containers' sockets are, and links to their resolver."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.links: list[ResolverLink] = []
        self.address = ("", 0)
        self.opened = 0

    def link(self) -> ResolverLink:
        self.links.append(ResolverLink(self.path, self._open))
        return self.links[-1]

    def _open(self, sandbox: Sandbox) -> tuple[socket.socket, socket.socket]:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        for listener in (udp, tcp):
            listener.bind(("127.0.0.1", 0))
        tcp.listen()
        self.address = udp.getsockname()
        self.opened += 1
        return udp, tcp

    def ask(self, name: str, seconds: float = 5) -> str:
        """Return the address that the resolver says, "" where it knows none."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(seconds)
            asking.sendto(question(name), self.address)
            answer = asking.recv(4096)
        return socket.inet_ntoa(answer[-4:]) if answer[7] else ""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "names.sock")
    yield lab
    for link in reversed(lab.links):
        link.drop("c")
        link.close()


def entry(name: str, address: str, container: str = "c") -> Entry:
    return Entry(container, "n", "net", address, (name,))


def test_no_answer_is_older_than_the_call_that_changed_it(lab: Lab) -> None:
    link = lab.link()
    link.serve("c", SANDBOX, ["n"], [])
    for number in range(1, 100):
        link.add(entry(f"web{number}", f"10.0.0.{number}"))
        assert lab.ask(f"web{number}") == f"10.0.0.{number}"
    link.remove("n", "c")
    assert lab.ask("web99") == ""
    link.add(entry("web", "10.0.0.1"))
    link.serve("c", SANDBOX, ["other"], [])
    assert lab.ask("web") == ""


def test_names_are_answered_without_an_engine_and_taken_over_by_the_next(lab: Lab) -> None:
    link = lab.link()
    link.serve("c", SANDBOX, ["n"], [])
    link.add(entry("web", "10.0.0.1"))
    link.add(entry("gone", "10.0.0.2", "d"))
    pid = link._pid
    link.close()
    assert lab.ask("web") == "10.0.0.1"
    later = lab.link()
    later.begin()
    later.serve("c", SANDBOX, ["n"], [])
    later.add(entry("renamed", "10.0.0.1"))
    later.settle()
    assert (lab.ask("renamed"), lab.ask("web"), lab.ask("gone")) == ("10.0.0.1", "", "")
    assert (later._pid, lab.opened) == (pid, 1)  # the same process, with the sockets it had


def test_a_killed_process_is_started_again_and_knows_everything(lab: Lab) -> None:
    link = lab.link()
    link.serve("c", SANDBOX, ["n"], [])
    link.add(entry("web", "10.0.0.1"))
    old = link._pid
    os.kill(old, signal.SIGKILL)
    eventually(lambda: link._pid != old and lab.opened == 2, 10, "another process")
    eventually(lambda: answered(lab), 10, "an answer")


def answered(lab: Lab) -> bool:
    try:
        return lab.ask("web", 0.5) == "10.0.0.1"
    except OSError:
        return False


def test_a_process_of_another_version_is_replaced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    link = lab.link()
    link.serve("c", SANDBOX, ["n"], [])
    old = link._pid
    link.close()
    monkeypatch.setattr(server, "version", lambda: "another")
    later = lab.link()
    later.begin()
    later.serve("c", SANDBOX, ["n"], [])
    later.add(entry("web", "10.0.0.1"))
    later.settle()
    assert lab.ask("web") == "10.0.0.1"
    assert (later._pid != old, lab.opened) == (True, 2)


def test_it_is_nobody_and_ends_with_its_last_container(lab: Lab) -> None:
    link = lab.link()
    link.serve("c", SANDBOX, ["n"], [])
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{link._pid}/status").read_text().splitlines())
    if os.geteuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4
        assert int(status["CapEff"], 16) == 0
    pid = link._pid
    link.drop("c")
    link.close()
    assert not Path(f"/proc/{pid}").exists()
