"""/images: lists, pulls, archives, names, removal; /distribution."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol, TypeVar

from engine.api import codec, streams
from engine.api.router import Call, Reply, Route
from engine.api.wire import image as wire
from engine.errors import BerthError, InvalidArgument, NotFound, Unauthorized, Unavailable, Unsupported
from engine.images.changes import apply_changes
from engine.images.history import Step
from engine.images.manifest import Descriptor
from engine.images.model import Image
from engine.refs import Platform, Reference
from engine.services.image_archives import Imported
from engine.values import ImageConfig, Progress, Scope

_JSON = "application/json"
_TAR = "application/x-tar"
_SEARCH_ROWS, _SEARCH_MOST = 25, 100
_T = TypeVar("_T")


class Found(Protocol):
    """A repository that a search found."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def stars(self) -> int: ...
    @property
    def is_official(self) -> bool: ...
    @property
    def is_automated(self) -> bool: ...


class Images(Protocol):
    """What these routes need of the store."""

    @property
    def list_(self) -> Callable[..., Sequence[wire.View]]: ...
    def view(self, scope: Scope, reference: str) -> wire.View: ...
    def lower(self, image: Image) -> list[str]: ...
    def history(self, scope: Scope, reference: str) -> list[Step]: ...
    def tag(self, scope: Scope, source: str, repository: str, tag: str = "") -> Reference: ...
    def remove(self, scope: Scope, reference: str, *, force: bool = False) -> Sequence[wire.Removed]: ...
    def prune(
        self, scope: Scope, filters: Mapping[str, Sequence[str]] | None = None
    ) -> tuple[Sequence[wire.Removed], int]: ...


class Archives(Protocol):
    """What these routes need for images in and out as files."""

    def load(self, scope: Scope, body: BinaryIO, platform: str = "") -> Iterator[Progress]: ...
    def import_(self, scope: Scope, body: BinaryIO, said: Imported) -> Image: ...
    def save(self, scope: Scope, names: Sequence[str]) -> Iterator[bytes]: ...


class Pulls(Protocol):
    """What these routes need of registries."""

    def pull(
        self,
        scope: Scope,
        reference: Reference,
        platform: str = "",
        auth: Mapping[str, Any] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Progress]: ...
    def inspect(self, reference: Reference, auth: Mapping[str, Any]) -> tuple[Descriptor, Sequence[Platform]]: ...
    def search(
        self, term: str, auth: Mapping[str, Any], filters: dict[str, tuple[str, ...]], limit: int
    ) -> Sequence[Found]: ...


class Pushes(Protocol):
    """What these routes need to send images to registries."""

    def push(
        self,
        scope: Scope,
        reference: Reference,
        auth: Mapping[str, Any] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Progress]: ...


class ImageRoutes:
    """The handlers."""

    def __init__(self, images: Images, archives: Archives, pulls: Pulls, pushes: Pushes) -> None:
        self._images = images
        self._archives = archives
        self._pulls = pulls
        self._pushes = pushes

    def list_(self, call: Call) -> Reply:
        """GET /images/json."""
        shared = call.flag("shared-size")
        views = self._images.list_(call.scope, all_=call.flag("all"), filters=call.filters(), shared=shared)
        return Reply.json([wire.render_summary(view, call.version) for view in views])

    def create(self, call: Call) -> Reply:
        """POST /images/create: a pull (fromImage) or an import (fromSrc=-)."""
        if call.text("fromImage"):
            return self._pull(call)
        if call.text("fromSrc"):
            return self._import(call)
        raise InvalidArgument("fromImage or fromSrc is missing")

    def inspect(self, call: Call) -> Reply:
        """GET /images/{name}/json."""
        view = self._images.view(call.scope, call.path["name"])
        _check_platform(call, call.path["name"], view)
        return Reply.json(wire.render_inspect(view, self._images.lower(view.image), call.version))

    def history(self, call: Call) -> Reply:
        """GET /images/{name}/history."""
        _check_platform(call, call.path["name"], self._images.view(call.scope, call.path["name"]))
        return Reply.json(wire.render_history(self._images.history(call.scope, call.path["name"])))

    def tag(self, call: Call) -> Reply:
        """POST /images/{name}/tag."""
        self._images.tag(call.scope, call.path["name"], call.text("repo"), call.text("tag"))
        return Reply.empty(201)

    def remove(self, call: Call) -> Reply:
        """DELETE /images/{name}."""
        _refuse(call, "platforms")
        removed = self._images.remove(call.scope, call.path["name"], force=call.flag("force"))
        return Reply.json(wire.render_removed(removed))

    def prune(self, call: Call) -> Reply:
        """POST /images/prune."""
        removed, freed = self._images.prune(call.scope, call.filters())
        return Reply.json({"ImagesDeleted": wire.render_removed(removed) or None, "SpaceReclaimed": freed})

    def load(self, call: Call) -> Reply:
        """POST /images/load; whatever is wrong with the archive is told in band, with status 200, as Docker does."""
        platform = str(_platform(call.text("platform")))
        steps = self._archives.load(call.scope, call.body, platform)
        if call.flag("quiet"):
            steps = (step for step in steps if step.aux)
        return Reply.stream(_started(streams.ndjson(wire.render_progress(steps))), _JSON)

    def save(self, call: Call) -> Reply:
        """GET /images/get and /images/{name}/get."""
        names = [call.path["name"]] if "name" in call.path else list(call.texts("names"))
        names = [part for name in names for part in name.split(",") if part]
        if not names:
            raise InvalidArgument("names: no image is named")
        for name in names if call.text("platform") else ():
            _check_platform(call, name, self._images.view(call.scope, name))
        return Reply.stream(self._archives.save(call.scope, names), _TAR)

    def push(self, call: Call) -> Reply:
        """POST /images/{name}/push: one tag, or all of the repository."""
        reference = Reference.parse(call.path["name"])
        if tag := call.text("tag"):
            reference = reference.with_tag(tag)
        if call.text("platform"):
            _check_platform(call, reference.familiar, self._images.view(call.scope, str(reference)))
        gone = threading.Event()
        call.on_gone(gone.set)
        return _progress(self._pushes.push(call.scope, reference, call.registry_auth(), gone))

    def distribution(self, call: Call) -> Reply:
        """GET /distribution/{name}/json."""
        reference = Reference.parse(call.path["name"]).with_default_tag()
        with _registry_faults():
            found = self._pulls.inspect(reference, call.registry_auth())
        return Reply.json(wire.render_distribution(*found))

    def search(self, call: Call) -> Reply:
        """GET /images/search."""
        term, limit = call.text("term"), call.integer("limit", _SEARCH_ROWS) or _SEARCH_ROWS
        if not term:
            raise InvalidArgument("term: what to search for is missing")
        if not 1 <= limit <= _SEARCH_MOST:
            raise InvalidArgument(f"Limit {limit} is outside the range of [1, {_SEARCH_MOST}]")
        with _registry_faults():
            found = self._pulls.search(term, call.registry_auth(), call.filters(), limit)
        return Reply.json(
            [
                {
                    "star_count": row.stars, "is_official": row.is_official, "name": row.name,
                    "is_automated": row.is_automated, "description": row.description,
                }
                for row in found
            ]
        )  # fmt: skip

    def _pull(self, call: Call) -> Reply:
        reference = Reference.parse(call.text("fromImage"))
        if tag := call.text("tag"):
            reference = reference.with_digest(tag) if ":" in tag else reference.with_tag(tag)
        gone = threading.Event()
        call.on_gone(gone.set)
        platform, auth = call.text("platform"), call.registry_auth()
        with _registry_faults():
            return _progress(self._pulls.pull(call.scope, reference, platform, auth, gone))

    def _import(self, call: Call) -> Reply:
        if call.text("fromSrc") != "-":
            raise Unsupported("import from a URL: not supported by Berth; send the archive itself (fromSrc=-)")
        reference = None
        if repository := call.text("repo"):
            reference = Reference.parse(repository)
            tag = call.text("tag")
            reference = reference.with_tag(tag) if tag else reference.with_default_tag()
        said = Imported(
            reference,
            call.text("message"),
            apply_changes(ImageConfig(), call.texts("changes")),
            call.text("platform"),
        )
        image = self._archives.import_(call.scope, call.body, said)
        return _progress(iter([Progress(image.id)]))


def routes(images: Images, archives: Archives, pulls: Pulls, pushes: Pushes) -> list[Route]:
    """Return the routes of images."""
    handlers = ImageRoutes(images, archives, pulls, pushes)
    return [
        Route("GET", "/images/json", handlers.list_),
        Route("POST", "/images/create", handlers.create),
        Route("POST", "/images/load", handlers.load),
        Route("POST", "/images/prune", handlers.prune, since="1.25"),
        Route("GET", "/images/search", handlers.search),
        Route("GET", "/images/get", handlers.save),
        Route("GET", "/images/{name:.*}/json", handlers.inspect),
        Route("GET", "/images/{name:.*}/history", handlers.history),
        Route("GET", "/images/{name:.*}/get", handlers.save),
        Route("POST", "/images/{name:.*}/tag", handlers.tag),
        Route("POST", "/images/{name:.*}/push", handlers.push),
        Route("DELETE", "/images/{name:.*}", handlers.remove),
        Route("GET", "/distribution/{name:.*}/json", handlers.distribution, since="1.30"),
    ]


def _platform(text: str) -> Platform:
    """Return the platform of a query: JSON of an OCI platform since API 1.48, `linux/arm64` before."""
    if not text.startswith("{"):
        return Platform.parse(text)
    fields = codec.Fields(codec.parse_object(text.encode()), "platform")
    parts = [fields.text(name) for name in ("os", "architecture", "variant")]
    return Platform.parse("/".join(part for part in parts if part))


def _check_platform(call: Call, name: str, view: wire.View) -> None:
    """Refuse an image that is for another platform than the one asked for."""
    if text := call.text("platform"):
        wanted, own = _platform(text), view.image.platform
        if not wanted.runs(own):
            raise NotFound(
                f"image with reference {name} was found but its platform ({own}) does not match "
                f"the specified platform ({wanted})"
            )


def _refuse(call: Call, name: str) -> None:
    """Refuse a choice among platforms by its name: an image here has one."""
    if call.text(name):
        raise Unsupported(f"{name}: not supported: an image has one platform here")


@contextmanager
def _registry_faults() -> Iterator[None]:
    """Answer 500, as Docker does, where a registry refuses or is away: 401 and 503 would be this engine's own."""
    try:
        yield
    except (Unauthorized, Unavailable) as error:
        raise BerthError(str(error)) from error


def _progress(steps: Iterator[Progress]) -> Reply:
    """Answer with a progress stream; a failure before its first record is an ordinary error."""
    return Reply.stream(streams.ndjson(wire.render_progress(_started(steps))), _JSON)


def _started(items: Iterator[_T]) -> Iterator[_T]:
    first = list(itertools.islice(items, 1))
    return _resumed(first, items)


def _resumed(first: list[_T], items: Iterator[_T]) -> Iterator[_T]:
    try:
        yield from first
        yield from items
    finally:
        close = getattr(items, "close", None)
        if close:
            close()
