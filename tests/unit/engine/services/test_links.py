"""What a link is made of, and what it tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.containers.model import Config, State, Status
from engine.errors import InvalidArgument
from engine.services import links
from tests.fakes.containers import a_container


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("db", ("db", "db")), ("db:store", ("db", "store")), ("/db:/web/store", ("db", "store")), ("/db", ("db", "db"))],
)
def test_a_link_is_a_name_and_an_alias(text: str, parsed: tuple[str, str]) -> None:
    assert links.parse_link(text) == parsed


@pytest.mark.parametrize("text", ["", ":", ":a", "a:", "a:b:c"])
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(InvalidArgument, match="bad format for links"):
        links.parse_link(text)


def test_the_variables_are_dockers() -> None:
    config = Config(exposed_ports=("6379/tcp", "53/udp", "80/tcp"), env=("PATH=/x", "MODE=fast", "bare"))
    target = replace(a_container(1, state=State(Status.RUNNING)), config=config)
    assert links.render_environment("web", "my-db", "10.0.0.2", target) == [
        "MY_DB_PORT=tcp://10.0.0.2:80",
        "MY_DB_PORT_80_TCP=tcp://10.0.0.2:80",
        "MY_DB_PORT_80_TCP_ADDR=10.0.0.2",
        "MY_DB_PORT_80_TCP_PORT=80",
        "MY_DB_PORT_80_TCP_PROTO=tcp",
        "MY_DB_PORT_6379_TCP=tcp://10.0.0.2:6379",
        "MY_DB_PORT_6379_TCP_ADDR=10.0.0.2",
        "MY_DB_PORT_6379_TCP_PORT=6379",
        "MY_DB_PORT_6379_TCP_PROTO=tcp",
        "MY_DB_PORT_53_UDP=udp://10.0.0.2:53",
        "MY_DB_PORT_53_UDP_ADDR=10.0.0.2",
        "MY_DB_PORT_53_UDP_PORT=53",
        "MY_DB_PORT_53_UDP_PROTO=udp",
        "MY_DB_NAME=/web/my-db",
        "MY_DB_ENV_MODE=fast",
    ]
