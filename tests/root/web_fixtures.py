"""The web tier on a real engine, with a relay between them that tests can look into."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PEER
from tests.support.docker_cli import Docker
from tests.support.instance import Instance
from tests.support.tap import EngineTap
from tests.support.web import Browser, WebProcess


class Site:
    """A web tier, its administrator's browser, the tap, and the docker CLI straight on the engine."""

    def __init__(self, web: WebProcess, tap: EngineTap, docker: Docker) -> None:
        self.web, self.tap, self.docker = web, tap, docker
        self.admin = web.set_up()
        web.healthy(self.admin)

    def cli(self, token: str, config: Path) -> Docker:
        """Return the docker CLI through the gateway, as a person with a token has it."""
        config.mkdir(parents=True, exist_ok=True)
        (config / "config.json").write_text(json.dumps({"HttpHeaders": {"Authorization": f"Bearer {token}"}}))
        made = Docker(f"tcp://127.0.0.1:{self.web.port}/engine/local", self.docker.image, config, self.docker.netns)
        made.token = self.docker.token  # cleaned up together
        return made

    def browser(self) -> Browser:
        """Return a browser with a session of its own."""
        made = Browser(self.web.url)
        assert made.sign_in().status_code == 200
        return made


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, docker_session: Docker) -> Iterator[Site]:
    """One web tier for a module's tests."""
    if PEER:
        engine, user = Path(PEER.removeprefix("unix://")), "root"
    else:
        instance: Instance = request.getfixturevalue("engine")
        engine, user = instance.web_socket, "root"
    web = WebProcess(BERTH_WEB_USER=user)
    tap = EngineTap(web.run_root / "web.sock", engine)
    made: Site | None = None
    try:
        web.start()
        made = Site(web, tap, docker_session)
        yield made
    finally:
        if made:
            made.admin.close()
        web.destroy()
        tap.close()
        docker_session.clean()
