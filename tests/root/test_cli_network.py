"""Bridge, none, host and container networks; published ports as the host and as other machines see them."""

from __future__ import annotations

import re
import socket
import time

import pytest

from tests.support.docker_cli import Docker, eventually, free_port

HTTPD = "httpd -f -p 80 -h /www"
FETCH = """for i in $(seq 50); do
    printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 $0 80 2>/dev/null | tail -n 1 | grep . && exit 0
    sleep 0.1
done
exit 1"""
"""A script that prints the page's last line; its argument is an address (the static busybox has no resolver in nc)."""
PYTHON = ("-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro")
"""Binds that make the machine's Python run in the test image."""
UDP_ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 53))
while True:
    data, peer = server.recvfrom(1000)
    server.sendto(data, peer)
"""


def answers(docker: Docker, port: int, address: str = "127.0.0.1") -> str:
    """Return the page that the container serves at a published port, or nothing."""
    try:
        return docker.fetch(port, "/index.html", address)
    except OSError:
        return ""


def address_of(docker: Docker, ref: str) -> str:
    """Return a container's address on the default bridge."""
    found: str = docker.inspect(ref)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    return found


def test_a_published_port_answers_on_loopback(docker: Docker) -> None:
    port = free_port()
    docker.running("-p", f"127.0.0.1:{port}:80", script=HTTPD)
    eventually(lambda: answers(docker, port) == "hello from the container\n", 5, "the page")


def test_a_published_port_answers_on_every_address_of_the_host(docker: Docker) -> None:
    port = free_port()
    cid = docker.running("-p", f"{port}:80", script=HTTPD)
    eventually(lambda: answers(docker, port) == "hello from the container\n", 5, "the page on loopback")
    gateway = docker.inspect(cid)["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    assert answers(docker, port, gateway) == "hello from the container\n"


def test_a_random_port_is_chosen_and_told(docker: Docker) -> None:
    cid = docker.running("-p", "127.0.0.1::80", script=HTTPD)
    port = int(docker.ok("port", cid, "80/tcp").rpartition(":")[2])
    assert port >= 1024
    eventually(lambda: answers(docker, port), 5, "the page")


def test_all_exposed_ports_can_be_published(docker: Docker) -> None:
    serve = ("-f", "-p", "8000", "-h", "/www")
    cid = docker.ok("run", "-d", "-P", "--entrypoint", "httpd", f"{docker.image}:full", *serve)
    port = int(docker.ok("port", cid, "8000").splitlines()[0].rpartition(":")[2])
    eventually(lambda: answers(docker, port), 5, "the page")


def test_a_udp_port_answers(docker: Docker) -> None:
    port = free_port()
    publish = ("-p", f"127.0.0.1:{port}:53/udp")
    docker.ok("run", "-d", *publish, *PYTHON, docker.image, "/usr/bin/python3", "-c", UDP_ECHO)
    with docker.socket(socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        client.connect(("127.0.0.1", port))

        def echoed() -> bool:
            try:
                client.send(b"ping")
                return client.recv(100) == b"ping"
            except OSError:
                return False

        eventually(echoed, 10, "the echo")


def test_a_range_of_ports(docker: Docker) -> None:
    first = 20000 + free_port() % 10000
    cid = docker.running("-p", f"127.0.0.1:{first}-{first + 2}:80-82", script="httpd -f -p 82 -h /www")
    assert docker.ok("port", cid, "82") == f"127.0.0.1:{first + 2}"
    eventually(lambda: answers(docker, first + 2), 5, "the page")


def test_a_port_that_another_container_has_is_refused(docker: Docker) -> None:
    port = free_port()
    docker.running("-p", f"127.0.0.1:{port}:80")
    name = docker.name()
    error = docker.fails("run", "-d", "--name", name, "-p", f"127.0.0.1:{port}:80", docker.image, "true", code=125)
    assert f"Bind for 127.0.0.1:{port} failed: port is already allocated" in error
    assert docker.inspect(name)["State"]["Status"] == "created"


def test_a_port_that_another_program_has_is_refused(docker: Docker) -> None:
    with docker.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = docker.fails("run", "--rm", "-p", f"127.0.0.1:{port}:80", docker.image, "true", code=125)
    assert re.search(rf"(listen tcp4? 127\.0\.0\.1:{port}: bind: )?address already in use", error)


def test_a_port_is_free_again_after_the_container(docker: Docker) -> None:
    port = free_port()
    for _ in range(2):
        cid = docker.running("-p", f"127.0.0.1:{port}:80", script=HTTPD)
        eventually(lambda: answers(docker, port), 5, "the page")
        docker.ok("rm", "-f", cid)
        assert answers(docker, port) == ""


def test_a_stopped_container_keeps_no_port_and_gets_it_again(docker: Docker) -> None:
    port = free_port()
    cid = docker.running("-p", f"127.0.0.1:{port}:80", script=HTTPD)
    docker.ok("stop", "-t", "0", cid)
    assert answers(docker, port) == ""
    assert docker.ok("port", cid) == ""
    docker.ok("start", cid)
    eventually(lambda: answers(docker, port), 5, "the page")


def test_containers_on_the_default_bridge_reach_each_other_by_address(docker: Docker) -> None:
    server = docker.running(script=HTTPD)
    out = docker.ok("run", "--rm", docker.image, "sh", "-c", FETCH, address_of(docker, server))
    assert out == "hello from the container"


def test_containers_have_addresses_of_their_own_and_a_default_route(docker: Docker) -> None:
    first, second = docker.running(), docker.running()
    assert address_of(docker, first) != address_of(docker, second)
    gateway = docker.inspect(first)["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    routes = docker.ok("exec", first, "ip", "route")
    assert f"default via {gateway} dev eth0" in routes
    assert address_of(docker, first) in docker.ok("exec", first, "ip", "addr", "show", "eth0")


def test_the_host_is_reached_through_the_gateway(docker: Docker) -> None:
    with docker.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        server.settimeout(10)
        port = server.getsockname()[1]
        docker.running(script=f"set -- $(ip route | grep ^default); echo hi | nc $3 {port}")
        connection, _ = server.accept()
        with connection:
            assert connection.recv(10) == b"hi\n"


def test_network_none_has_loopback_only(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--network", "none", docker.image, "sh", "-c", "ls /sys/class/net; ip route | wc -l")
    assert out.split() == ["lo", "0"]
    assert "UP" in docker.ok("run", "--rm", "--network", "none", docker.image, "ip", "link", "show", "lo")


def test_network_host_sees_the_hosts_interfaces(docker: Docker) -> None:
    with docker.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(10)
        port = server.getsockname()[1]
        docker.running("--network", "host", script=f"echo hi | nc 127.0.0.1 {port}")
        connection, _ = server.accept()
        with connection:
            assert connection.recv(10) == b"hi\n"


def test_network_host_has_the_hosts_name(docker: Docker) -> None:
    assert docker.ok("run", "--rm", "--network", "host", docker.image, "hostname") == socket.gethostname()


def test_a_container_can_share_anothers_network(docker: Docker) -> None:
    server = docker.running(script="httpd -f -p 127.0.0.1:80 -h /www")
    out = docker.ok("run", "--rm", "--network", f"container:{server}", docker.image, "sh", "-c", FETCH, "127.0.0.1")
    assert out == "hello from the container"


def test_hosts_names_the_container_itself(docker: Docker) -> None:
    cid = docker.running()
    hosts = docker.ok("exec", cid, "cat", "/etc/hosts")
    assert re.search(r"^127\.0\.0\.1\s+localhost$", hosts, re.MULTILINE)
    assert re.search(rf"^{address_of(docker, cid)}\s+{cid[:12]}$", hosts, re.MULTILINE)


def test_a_user_network_resolves_names_and_aliases(docker: Docker) -> None:
    network, name = docker.name("net"), docker.name("web")
    docker.ok("network", "create", network)
    server = docker.running("--network", network, "--name", name, "--network-alias", "shop")
    address = docker.inspect(server)["NetworkSettings"]["Networks"][network]["IPAddress"]
    client = docker.running("--network", network)
    assert "nameserver 127.0.0.11" in docker.ok("exec", client, "cat", "/etc/resolv.conf")
    for host in (name, "shop", server[:12]):
        assert f"Address: {address}" in docker.ok("exec", client, "nslookup", "-type=a", host)
    assert docker("exec", client, "nslookup", "-type=a", "no-such-host").code != 0
    docker.ok("rm", "-f", server)
    assert docker("exec", client, "nslookup", "-type=a", name).code != 0


def test_names_follow_connect_disconnect_and_rename(docker: Docker) -> None:
    network, name, later = docker.name("net"), docker.name("old"), docker.name("new")
    docker.ok("network", "create", network)
    client = docker.running("--network", network)
    server = docker.running("--name", name)
    assert docker("exec", client, "nslookup", "-type=a", name).code != 0
    docker.ok("network", "connect", "--alias", "shop", network, server)
    address = docker.inspect(server)["NetworkSettings"]["Networks"][network]["IPAddress"]
    for host in (name, "shop"):
        assert f"Address: {address}" in docker.ok("exec", client, "nslookup", "-type=a", host)
    docker.ok("rename", name, later)
    assert f"Address: {address}" in docker.ok("exec", client, "nslookup", "-type=a", later)
    assert docker("exec", client, "nslookup", "-type=a", name).code != 0
    assert f"{later}.{network}" in docker.ok("exec", client, "nslookup", address)
    docker.ok("network", "disconnect", network, server)
    assert docker("exec", client, "nslookup", "-type=a", later).code != 0


def test_the_default_bridge_knows_no_names(docker: Docker) -> None:
    server = docker.running()
    client = docker.running()
    name = docker.inspect(server)["Name"].strip("/")
    assert "127.0.0.11" not in docker.ok("exec", client, "cat", "/etc/resolv.conf")
    assert docker("exec", client, "ping", "-c", "1", "-W", "1", name).code != 0


def test_user_networks_are_apart_from_each_other(docker: Docker) -> None:
    first, second = docker.name("net1"), docker.name("net2")
    docker.ok("network", "create", first)
    docker.ok("network", "create", second)
    server = docker.running("--network", first, script=HTTPD)
    address = docker.inspect(server)["NetworkSettings"]["Networks"][first]["IPAddress"]
    inside = docker.ok("run", "--rm", "--network", first, docker.image, "sh", "-c", FETCH, address)
    assert inside == "hello from the container"
    assert docker("run", "--rm", "--network", second, docker.image, "nc", "-w", "1", address, "80").code != 0


def test_networks_are_created_listed_connected_and_removed(docker: Docker) -> None:
    network = docker.name("net")
    docker.ok("network", "create", "--subnet", "10.253.7.0/24", "--label", "a=1", network)
    found = docker.inspect(network)
    assert (found["Driver"], found["Scope"], found["Labels"]) == ("bridge", "local", {"a": "1"})
    assert found["IPAM"]["Config"][0]["Subnet"] == "10.253.7.0/24"
    cid = docker.running()
    docker.ok("network", "connect", "--ip", "10.253.7.77", network, cid)
    assert "10.253.7.77" in docker.ok("exec", cid, "ip", "addr", "show", "eth1")
    assert cid in docker.inspect(network)["Containers"]
    assert "has active endpoints" in docker.fails("network", "rm", network)
    docker.ok("network", "disconnect", network, cid)
    assert "eth1" not in docker.ok("exec", cid, "ls", "/sys/class/net")
    assert docker.ok("network", "rm", network) == network
    assert f"network {network} not found" in docker.fails("network", "inspect", network)


def test_an_unknown_network_is_refused(docker: Docker) -> None:
    network = docker.name("net")
    error = docker.fails("run", "--rm", "--network", network, docker.image, "true", code=125)
    assert f"network {network} not found" in error


def test_the_usual_networks_exist_and_stay(docker: Docker) -> None:
    names = docker.ok("network", "ls", "--format", "{{.Name}}").split()
    assert {"bridge", "host", "none"} <= set(names)
    assert "bridge is a pre-defined network and cannot be removed" in docker.fails("network", "rm", "bridge")


@pytest.mark.parametrize("spec", ["127.0.0.1:99999:80", "80:80/nosuch", "1-3:5-9"])
def test_a_bad_port_is_refused(docker: Docker, spec: str) -> None:
    assert docker("create", "-p", spec, docker.image).code in (1, 125)


def test_a_connection_stays_open_while_others_come_and_go(docker: Docker) -> None:
    port = free_port()
    docker.running("-p", f"127.0.0.1:{port}:7", script="nc -ll -p 7 -e cat")

    def connected() -> socket.socket | None:
        client = docker.socket()
        client.settimeout(2)
        try:
            client.connect(("127.0.0.1", port))
            client.sendall(b"first\n")
            if client.recv(100) == b"first\n":
                return client
        except OSError:
            pass
        client.close()
        return None

    with eventually(connected, 5, "an echo") as client:
        other = docker.running("-p", "127.0.0.1::9")
        docker.ok("rm", "-f", other)
        time.sleep(0.2)
        client.sendall(b"second\n")
        assert client.recv(100) == b"second\n"
