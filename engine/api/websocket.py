"""A hijacked connection that speaks WebSocket (RFC 6455): the same calls as a bare one, messages on the wire.

wsproto does the protocol: the handshake's checks, masks, fragments, control frames. Here it meets the connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from wsproto import ConnectionType, WSConnection, events
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from engine.api.errors import ClientGone
from engine.api.router import Call, Hijacked
from engine.errors import InvalidArgument

_HANDSHAKE = ("host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol")
_CLOSE_SECONDS = 2.0
"""How long a client may take to answer a close frame."""


class Socket:
    """A WebSocket as a bare connection: `recv` gives what messages hold, `sendall` sends one message."""

    def __init__(self, pipe: Hijacked, protocol: WSConnection, *, text: bool) -> None:
        self._pipe = pipe
        self._protocol = protocol
        self._text = text
        self._lock = threading.Lock()
        """wsproto's state is one: a reader that answers pings and a writer share it."""
        self._received: Iterator[bytes] = iter(())
        self._reading = threading.Lock()

    def recv(self, size: int = 65536) -> bytes:
        """Return the payload of what came next, b"" once the client has closed."""
        with self._reading:
            while True:
                found = next(self._received, None)
                if found:
                    return found
                if found is None and not self._read_more(size):
                    return b""

    def _read_more(self, size: int) -> bool:
        data = self._pipe.recv(size)
        answer, received, ended = b"", [], not data
        with self._lock:
            try:
                self._protocol.receive_data(data or None)
                for event in self._protocol.events():
                    if isinstance(event, events.Ping):
                        answer += self._protocol.send(event.response())
                    elif isinstance(event, events.CloseConnection):
                        answer += self._protocol.send(event.response()) if data else b""
                        ended = True
                    elif isinstance(event, events.BytesMessage):
                        received.append(bytes(event.data))
                    elif isinstance(event, events.TextMessage):
                        received.append(event.data.encode())
            except RemoteProtocolError as error:
                if error.event_hint is not None:
                    answer += self._protocol.send(error.event_hint)
                ended = True
            except LocalProtocolError:
                ended = True  # both sides closed at once
            if answer:
                self._pipe.sendall(answer)
        self._received = iter(received)
        return bool(received) or not ended

    def sendall(self, data: bytes) -> None:
        """Send one message: binary, or text for clients before API v1.28."""
        with self._lock:
            try:
                message = (
                    events.TextMessage(data.decode(errors="replace")) if self._text else events.BytesMessage(data)
                )
                self._pipe.sendall(self._protocol.send(message))
            except LocalProtocolError as error:
                raise ClientGone("client has closed the websocket") from error

    def shutdown_write(self) -> None:
        """Say that no more comes: a close frame."""
        with self._lock:
            try:
                self._pipe.sendall(self._protocol.send(events.CloseConnection(1000)))
            except (LocalProtocolError, OSError):
                pass  # closed already

    def close(self) -> None:
        """End both directions, once the client has answered the close frame or its time is up (RFC 6455, 7.1.1)."""
        patience = threading.Timer(_CLOSE_SECONDS, self._pipe.close)
        patience.daemon = True
        patience.start()
        try:
            while self.recv():
                pass
        except OSError:
            pass
        finally:
            patience.cancel()
            self._pipe.close()


def accept(call: Call, *, text: bool) -> Socket:
    """Answer the handshake of this call and return its socket; InvalidArgument for what is none."""
    protocol = WSConnection(ConnectionType.SERVER)
    headers = [(name.encode(), call.header(name).encode()) for name in _HANDSHAKE if call.header(name)]
    if not call.header("host"):
        headers.append((b"host", b"localhost"))
    try:
        protocol.initiate_upgrade_connection(headers, "/")
        request = next(iter(protocol.events()))
        if not isinstance(request, events.Request):
            raise InvalidArgument("websocket: not a handshake")
        answer = protocol.send(events.AcceptConnection(subprotocol=next(iter(request.subprotocols), None)))
    except (RemoteProtocolError, LocalProtocolError) as error:
        raise InvalidArgument(f"websocket: {error}") from None
    return Socket(call.take(answer), protocol, text=text)
