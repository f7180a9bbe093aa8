import pytest

from engine.api import attach, streams
from engine.containers.model import Config
from tests.fakes.containers import FakeContainers, a_container
from tests.fakes.http import PipeEnd, ask
from tests.unit.engine.api.test_terminal import FakeProcess


class FakeLogs:
    def __init__(self):
        self.asked = []

    def open(self, container, query, *, framed):
        self.asked.append((query.stdout, query.stderr, framed))
        return iter([b"<log>"])


class Service(FakeContainers):
    process = None

    def attach(self, scope, reference):
        self.calls.append(("attach", reference))
        return self.process


@pytest.fixture
def service():
    found = Service()
    found.process = FakeProcess((1, b"out"))
    found.add(a_container(1, config=Config(image="a", cmd=("x",), open_stdin=True, stdin_once=True)))
    found.add(a_container(2, config=Config(image="a", cmd=("x",), tty=True)))
    return found


@pytest.fixture
def logs():
    return FakeLogs()


@pytest.fixture
def routes(service, logs):
    return attach.routes(service, logs)


def test_streams_go_both_ways(routes, service):
    pipe = PipeEnd(b"hello")
    target = "/v1.50/containers/box1/attach?stream=1&stdin=1&stdout=1&stderr=1"
    answer = ask(routes, "POST", target, pipe=pipe)
    assert answer.exchange.content_type == streams.MULTIPLEXED
    assert bytes(pipe.sent) == streams.frame(1, b"out")
    assert bytes(service.process.received) == b"hello"


def test_a_container_without_stdin_gets_none(routes, service):
    ask(routes, "POST", "/containers/box2/attach?stream=1&stdin=1&stdout=1", pipe=PipeEnd(b"hello"))
    assert bytes(service.process.received) == b""


def test_the_log_so_far_goes_first(routes, logs):
    pipe = PipeEnd()
    ask(routes, "POST", "/containers/box2/attach?stream=1&stdout=1&logs=1", pipe=pipe)
    assert bytes(pipe.sent) == b"<log>out"
    assert logs.asked == [(True, False, False)]


def test_the_log_alone_needs_no_process(routes, service):
    pipe = PipeEnd()
    ask(routes, "POST", "/containers/box1/attach?stdout=1&logs=1", pipe=pipe)
    assert bytes(pipe.sent) == b"<log>"
    assert service.calls == []


def test_neither_log_nor_stream_is_refused(routes):
    assert ask(routes, "POST", "/containers/box1/attach").status == 400


def test_what_is_wrong_is_said_before_the_connection_is_taken(routes):
    answer = ask(routes, "POST", "/containers/nope/attach?stream=1")
    assert (answer.status, answer.exchange.content_type) == (404, "")
    assert ask(routes, "POST", "/containers/box1/attach?stream=1&detachKeys=xx").status == 400
