"""/berth/images/{name}/… and /berth/containers/{id}/…: layers that can be seen (docs/layers.md)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from io import FileIO

from engine.api import layer_json as wire
from engine.api.router import Call, Reply, Route
from engine.errors import InvalidArgument
from engine.services.images import Images
from engine.services.layer_views import LayerViews, Subject

_LIMIT = 1000
_MOST = 10_000
_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_BYTES = "application/octet-stream"


class LayerRoutes:
    """The handlers; `subject` finds whose layers are meant."""

    def __init__(self, views: LayerViews, images: Images, subject: Callable[[Call], Subject]) -> None:
        self._views = views
        self._images = images
        self._subject = subject

    def layers(self, call: Call) -> Reply:
        """GET …/layers."""
        subject = self._subject(call)
        found = self._views.layers(call.scope, subject)
        rows = [
            wire.render_layer(
                index=layer.index, chain_id=layer.chain_id, diff_id=layer.diff_id, size=layer.size, blob=layer.blob,
                blob_size=layer.blob_size, step=layer.step,
                sharers=[(image, self._images.names(image)) for image in layer.shared_by],
            )
            for layer in found
        ]  # fmt: skip
        return Reply.json(
            {
                "image": subject.image.id if subject.image else "",
                "container": subject.container.id if subject.container else "",
                "size": sum(layer.size for layer in found),
                "layers": rows,
            }
        )

    def tree(self, call: Call) -> Reply:
        """GET …/tree."""
        page = self._views.list_(
            self._subject(call),
            call.text("path", "/"),
            call.optional_integer("layer"),
            merged=_is_merged(call),
            after=call.text("after"),
            limit=_limit(call),
        )
        return Reply.json(wire.render_page(page))

    def file(self, call: Call) -> Reply:
        """GET …/file: bytes of a file, all or a range."""
        subject, path = self._subject(call), _path(call)
        fd = self._views.open_file(subject, path, call.optional_integer("layer"), merged=_is_merged(call))
        size = os.fstat(fd).st_size
        asked = _range(call.header("range"), size)
        headers = [("Accept-Ranges", "bytes"), ("X-Content-Type-Options", "nosniff")]
        if asked is None:
            return Reply.stream(_content(fd, 0, size), _BYTES, headers=[*headers, ("X-File-Size", str(size))])
        first, last = asked
        if first > last:
            os.close(fd)
            return Reply.json(
                {"message": f"range: the file has {size} bytes"}, 416, [("Content-Range", f"bytes */{size}")]
            )
        headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        return Reply.stream(_content(fd, first, last + 1 - first), _BYTES, 206, headers)

    def origin(self, call: Call) -> Reply:
        """GET …/origin: which layer brought, changed, removed a path."""
        path = _path(call)
        return Reply.json(wire.render_origin(path, self._views.origin(self._subject(call), path)))

    def waste(self, call: Call) -> Reply:
        """GET …/waste."""
        return Reply.json(wire.render_economy(self._views.economy(self._subject(call)), _limit(call)))

    def diff(self, call: Call) -> Reply:
        """GET …/diff: against the image `with`; a container's own image by default."""
        subject, other = self._subject(call), call.text("with")
        if other:
            before = self._views.image(call.scope, other)
        elif subject.container is not None:
            before = Subject(subject.image, None, subject.chain)
        else:
            raise InvalidArgument("with: the image to compare with is required")
        page = self._views.diff(before, subject, max(call.integer("start"), 0), _limit(call))
        return Reply.json(wire.render_difference(page.items, page.counts, page.sizes, page.following))


def routes(views: LayerViews, images: Images) -> list[Route]:
    """Return the routes."""
    of_image = LayerRoutes(views, images, lambda call: views.image(call.scope, call.path["name"]))
    of_container = LayerRoutes(views, images, lambda call: views.container(call.scope, call.path["id"]))
    found = []
    for base, handlers in (("/berth/images/{name:.*}", of_image), ("/berth/containers/{id}", of_container)):
        for word in ("layers", "tree", "file", "origin", "waste", "diff"):
            found.append(Route("GET", f"{base}/{word}", getattr(handlers, word)))
    return found


def _is_merged(call: Call) -> bool:
    view = call.text("view", "merged")
    if view not in ("merged", "layer"):
        raise InvalidArgument("view: must be merged or layer")
    return view == "merged"


def _limit(call: Call) -> int:
    limit = call.integer("limit", _LIMIT)
    if not 1 <= limit <= _MOST:
        raise InvalidArgument(f"limit: must be 1 to {_MOST}")
    return limit


def _path(call: Call) -> str:
    path = call.text("path")
    if not path:
        raise InvalidArgument("path: a path is required")
    return path


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte asked for; None for all, or for what is no single range (RFC 9110 § 14.2)."""
    match = _RANGE.fullmatch(header.strip())
    if not match or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size - 1
    return int(match[1]), min(int(match[2]), size - 1) if match[2] else size - 1


def _content(fd: int, offset: int, size: int) -> Iterator[bytes]:
    """Yield bytes of a file; fewer where it shrank meanwhile. The descriptor is closed in the end."""
    # Opened here, not in the generator: one that is dropped before its first step runs no `finally`.
    file = os.fdopen(fd, "rb", buffering=0)
    file.seek(offset)
    return _pieces(file, size)


def _pieces(file: FileIO, size: int) -> Iterator[bytes]:
    with file:
        while size and (data := file.read(min(size, _CHUNK))):
            size -= len(data)
            yield data
