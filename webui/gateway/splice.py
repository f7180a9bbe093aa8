"""Bytes between a client and an engine: bodies up, answers down, hijacked streams both ways with half-close.

A greenlet beside the copying one notices a client that went away; it is gone before the handler returns, since
pywsgi reads the same socket next.
"""

from __future__ import annotations

import socket

import gevent
from gevent import Greenlet

from webui.client.wire import Response
from webui.gateway.exchange import Exchange

_SMALL_BODY = 65536
_TCP_CLOSED = 7
_PROBE_S = 10.0


class Body:
    """A request's body on its way up: a small one is sent at once, a large or open-ended one by a greenlet.

    An engine may answer while the body still flows (load, build), so the greenlet lives until `stop`.
    """

    def __init__(self, exchange: Exchange, upstream: socket.socket) -> None:
        self._exchange = exchange
        self._upstream = upstream
        self._greenlet: Greenlet | None = None

    def start(self) -> None:
        """Begin to send; the head is out already."""
        if self._exchange.chunked or self._exchange.length > _SMALL_BODY:
            self._greenlet = gevent.spawn(self._send_large)
        else:
            for block in self._exchange.body():
                self._upstream.sendall(block)

    def wait(self) -> None:
        """Return when all is sent (or can't be)."""
        if self._greenlet:
            self._greenlet.join()

    def stop(self) -> None:
        """End it: what wasn't sent makes the client's connection useless for a next request."""
        if self._greenlet and not self._greenlet.dead:
            self._greenlet.kill()
            self._exchange.abandon()

    def _send_large(self) -> None:
        chunked = self._exchange.chunked
        try:
            for block in self._exchange.body():
                self._upstream.sendall(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            if chunked:
                self._upstream.sendall(b"0\r\n\r\n")
        except OSError:
            self._exchange.abandon()  # the engine's answer, if any, says why


def down(exchange: Exchange, upstream: Response, body: Body) -> bool:
    """Copy an answer's body as it is; return whether it was complete (else the connection can't go on)."""
    watch = gevent.spawn(_watch, exchange.socket, upstream, body)
    left = upstream.head.length
    tail = b""
    try:
        for data in upstream.raw():
            exchange.send(data)
            if left is not None:
                left -= len(data)
                if left <= 0:
                    return left == 0
            elif upstream.head.chunked:
                tail = (tail + data[-7:])[-7:]
                if tail.endswith(b"\r\n0\r\n\r\n") or tail == b"0\r\n\r\n":
                    return True
    finally:
        watch.kill()
    return left == 0


def _watch(client: socket.socket, upstream: Response, body: Body) -> None:
    body.wait()
    try:
        if client.recv(1, socket.MSG_PEEK):
            return  # a pipelined request: it waits its turn
    except OSError:
        pass
    upstream.close()


def both_ways(exchange: Exchange, upstream: Response, body: Body) -> None:
    """Copy in both directions until the engine ends; the client's end is passed on as a half-close."""
    upward = gevent.spawn(_up, exchange, upstream, body)
    try:
        for data in upstream.raw():
            exchange.send(data)
    finally:
        upward.kill()


def _up(exchange: Exchange, upstream: Response, body: Body) -> None:
    body.wait()
    client = exchange.socket
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    try:
        while data := exchange.after_body():
            upstream.socket.sendall(data)
        upstream.socket.shutdown(socket.SHUT_WR)
        while not _dead(client):
            gevent.sleep(_PROBE_S)
    except OSError:
        pass
    upstream.close()


def _dead(client: socket.socket) -> bool:
    """Return whether a TCP client that half-closed is gone altogether (keepalive found no one)."""
    if client.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSED
