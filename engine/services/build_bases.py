"""Images that a build starts from or copies from: found in the caller's namespace, or pulled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from config.contract import DEFAULT_REGISTRY
from engine.errors import Conflict, InvalidArgument, NotFound
from engine.images.config import parse_document
from engine.images.model import Image
from engine.refs import Platform, Reference
from engine.services.build_state import BuildWish, State
from engine.services.creation import check_platform
from engine.services.gc import Lease
from engine.services.images import Images
from engine.services.pull import Pulls
from engine.services.pull_layers import Stop
from engine.values import Progress, Scope


class Bases:
    """The images of one build; each is looked up, and pulled, once."""

    def __init__(
        self, *, images: Images, pulls: Pulls, scope: Scope, wish: BuildWish, lease: Lease, stop: Stop
    ) -> None:
        self._images = images
        self._pulls = pulls
        self._scope = scope
        self._wish = wish
        self._lease = lease
        self._stop = stop
        self._lock = threading.Lock()
        self._pulled: set[str] = set()

    def get(self, name: str, platform: str, tell: Callable[[Progress], None]) -> Image:
        """Return the image of a name, pulled where it is missing or the build says so; its content is kept."""
        wanted = platform or self._wish.platform
        with self._lock:
            image = None if self._wish.pull and name not in self._pulled else self._local(name, wanted)
            if image is None:
                self._pull(name, wanted, tell)
                self._pulled.add(name)
                image = self._images.get(self._scope, name)
            self._lease.keep(*image.chain, *image.blobs)
        return image

    def state(self, image: Image) -> State:
        """Return a stage that begins with an image."""
        document = parse_document(self._images.document(image))
        return State(
            config=image.config,
            layers=image.layers,
            history=document.history,
            created=document.created,
            author=document.author,
            platform=Platform(image.os, image.architecture or Platform.host().architecture, image.variant),
        )

    def _local(self, name: str, platform: str) -> Image | None:
        try:
            image = self._images.get(self._scope, name)
        except NotFound:
            return None
        except Conflict as error:
            raise InvalidArgument(str(error)) from error
        try:
            check_platform(image, platform or None)
        except InvalidArgument:
            return None
        return image

    def _pull(self, name: str, platform: str, tell: Callable[[Progress], None]) -> None:
        reference = Reference.parse(name).with_default_tag()
        auth = self._credentials(reference)
        for progress in self._pulls.pull(self._scope, reference, platform, auth, self._stop):
            tell(progress)

    def _credentials(self, reference: Reference) -> Mapping[str, Any]:
        found = self._wish.registries
        names = [reference.domain, f"https://{reference.domain}"]
        if reference.domain == DEFAULT_REGISTRY:
            names.append("https://index.docker.io/v1/")
        return next((found[name] for name in names if name in found), {})
