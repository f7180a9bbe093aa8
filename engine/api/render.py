"""The head of an answer."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from config import contract
from engine.api.router import Reply

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_SERVER = f"Berth/{contract.PRODUCT_VERSION} (linux)"
_fields_now: tuple[int, str] = (0, "")


def fixed_fields() -> str:
    """Return the header lines that every answer has, Date included."""
    global _fields_now
    now = int(time.time())
    second, text = _fields_now
    if second != now:
        text = (
            f"Api-Version: {contract.API_VERSION}\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
            f"Server: {_SERVER}\r\nDate: {formatdate(now, usegmt=True)}\r\n"
        )
        _fields_now = (now, text)
    return text


def render_head(reply: Reply, *, keep: bool, length: int | None) -> bytes:
    """Return the head; `length` -1: chunked, None: until the connection ends."""
    lines = f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}\r\n"
    if reply.content_type:
        lines += f"Content-Type: {reply.content_type}\r\n"
    for name, value in reply.headers:
        if "\r" in value or "\n" in value:
            raise ValueError(f"line break in the value of {name}")
        lines += f"{name}: {value}\r\n"
    if length == -1:
        lines += "Transfer-Encoding: chunked\r\n"
    elif length is not None and reply.status not in (204, 304):
        lines += f"Content-Length: {length}\r\n"
    if not keep:
        lines += "Connection: close\r\n"
    return f"{lines}{fixed_fields()}\r\n".encode("latin-1", "replace")
