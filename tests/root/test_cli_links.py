"""Links of the default bridge and of a user's network, by the docker CLI."""

from __future__ import annotations

from tests.support.docker_cli import Docker, eventually


def _address(docker: Docker, name: str) -> str:
    return str(docker.inspect(name)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])


def test_a_link_of_the_default_bridge(docker: Docker) -> None:
    db, web = docker.name("db"), docker.name("web")
    docker.running("--name", db, "-e", "MODE=fast", "--expose", "5432")
    docker.running("--name", web, "--link", f"{db}:store")
    address = _address(docker, db)
    hosts = docker.ok("exec", web, "cat", "/etc/hosts").splitlines()
    assert [line for line in hosts if address in line] == [f"{address}\tstore {docker.inspect(db)['Id'][:12]} {db}"]
    told = dict(line.partition("=")[::2] for line in docker.ok("exec", web, "env").splitlines())
    assert told["STORE_PORT_5432_TCP_ADDR"] == address
    assert told["STORE_PORT"] == f"tcp://{address}:5432"
    assert (told["STORE_NAME"], told["STORE_ENV_MODE"]) == (f"/{web}/store", "fast")
    assert docker.inspect(web)["HostConfig"]["Links"] == [f"/{db}:/{web}/store"]

    docker.ok("stop", db)
    other = docker.running()  # takes the address that has become free, or one after it
    docker.ok("start", db)
    moved = _address(docker, db)
    eventually(lambda: f"{moved}\tstore" in docker.ok("exec", web, "cat", "/etc/hosts"))
    docker.ok("rm", "-f", other)

    docker.ok("rm", "--link", f"{web}/store")
    assert "store" not in docker.ok("exec", web, "cat", "/etc/hosts")
    assert docker.inspect(web)["HostConfig"]["Links"] is None
    assert "Cannot get parent" in docker.fails("rm", "--link", f"{web}/store")


def test_a_link_to_what_is_not_there_or_does_not_run(docker: Docker) -> None:
    refused = docker.fails("create", "--link", "nobody:x", docker.image, "true", code=1)
    assert "could not get container for nobody: No such container: nobody" in refused
    db, web = docker.name("db"), docker.name("web")
    docker.ok("create", "--name", db, docker.image, "true")
    docker.ok("create", "--name", web, "--link", f"{db}:store", docker.image, "true")
    refused = docker.fails("start", web)
    assert f"Cannot link to a non running container: /{db} AS /{web}/store" in refused
    clash = docker.fails("create", "--network", "host", "--link", db, docker.image, "true")
    assert "host type networking can't be used with links" in clash


def test_a_link_in_a_users_network(docker: Docker) -> None:
    net, db, web = docker.name("net"), docker.name("db"), docker.name("web")
    docker.ok("network", "create", net)
    docker.running("--name", db, "--network", net)
    docker.running("--name", web, "--network", net, "--link", f"{db}:store")
    assert "store" in docker.ok("exec", web, "cat", "/etc/hosts")
    assert "STORE_" not in docker.ok("exec", web, "env")
    assert docker.inspect(web)["NetworkSettings"]["Networks"][net]["Links"] == [f"{db}:store"]
    late = docker.running()
    docker.ok("network", "connect", "--link", f"{db}:shop", net, late)
    assert "shop" in docker.ok("exec", late, "cat", "/etc/hosts")
    assert docker.inspect(late)["NetworkSettings"]["Networks"][net]["Links"] == [f"{db}:shop"]
    assert "could not get container for nobody" in docker.fails("network", "connect", "--link", "nobody:x", net, late)
