"""Namespaces that containers share, through the docker CLI."""

from __future__ import annotations

from tests.support.docker_cli import Docker


def test_shared_ipc_shares_its_memory(docker: Docker) -> None:
    donor = docker.running("--ipc", "shareable")
    docker.ok("run", "--rm", "--ipc", f"container:{donor}", docker.image, "sh", "-c", "echo shared > /dev/shm/file")
    assert docker.ok("exec", donor, "cat", "/dev/shm/file").strip() == "shared"


def test_private_ipc_is_not_shared(docker: Docker) -> None:
    private = docker.running("--ipc", "private")
    said = docker.fails("run", "--rm", "--ipc", f"container:{private}", docker.image, "true", code=125)
    assert "non-shareable IPC" in said


def test_shared_pids_show_the_partners_processes_by_name(docker: Docker) -> None:
    name = docker.name()
    docker.ok("run", "-d", "--name", name, docker.image, "sleep", "98765")
    assert "sleep 98765" in docker.ok("run", "--rm", "--pid", f"container:{name}", docker.image, "ps")


def test_host_pids_and_names(docker: Docker) -> None:
    own = docker.ok("run", "--rm", docker.image, "sh", "-c", "hostname; echo $$").split()
    host = docker.ok("run", "--rm", "--pid", "host", "--uts", "host", docker.image, "sh", "-c", "hostname; echo $$")
    assert own[1] == "1"
    assert host.split()[1] != "1"
    assert host.split()[0] != own[0]


def test_partner_that_does_not_run_is_refused(docker: Docker) -> None:
    name = docker.name()
    docker.ok("create", "--name", name, docker.image, "true")
    docker.fails("run", "--rm", "--pid", f"container:{name}", docker.image, "true", code=125)


def test_unknown_partner_is_named(docker: Docker) -> None:
    said = docker.fails("run", "--rm", "--pid", "container:nobody-here", docker.image, "true", code=125)
    assert "No such container: nobody-here" in said


def test_host_ipc_needs_no_message_queues_on_the_host(docker: Docker) -> None:
    assert docker.ok("run", "--rm", "--ipc", "host", docker.image, "ls", "-d", "/dev/mqueue") == "/dev/mqueue"


def test_unknown_security_option_is_refused_at_creation(docker: Docker) -> None:
    said = docker.fails("create", "--security-opt", "bogus=1", docker.image, "true")
    assert 'invalid --security-opt 1: "bogus=1"' in said
