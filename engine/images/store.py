"""The images' records and their names: all in memory, each change written through in the caller's transaction.

Records belong to a namespace; what they refer to (blobs, layers) is shared by all. A *reference* is a full name with
a tag (`docker.io/library/busybox:latest`) or a digest (`…@sha256:…`), and means one image within its namespace.
"""

from __future__ import annotations

import re
from dataclasses import replace

from pydantic import TypeAdapter

from engine.errors import Conflict, InvalidArgument, NotFound
from engine.ids import match_prefix
from engine.images.model import Image
from engine.refs import Reference
from engine.storage.db import Database, Transaction
from engine.storage.models import IMAGE_REFERENCES, IMAGES
from engine.values import Scope

_DOCUMENT: TypeAdapter[Image] = TypeAdapter(Image)
_HEX = re.compile(r"(?:sha256:)?[0-9a-f]{1,64}")


class ImageStore:
    """Images by id and by reference, within their namespace."""

    def __init__(self, database: Database) -> None:
        self._images: dict[tuple[str, str], Image] = {}
        self._references: dict[tuple[str, str], str] = {}
        self._names: dict[tuple[str, str], tuple[str, ...]] = {}
        for row in database.read(IMAGES.select()):
            image = _DOCUMENT.validate_json(row.document)
            self._images[image.namespace, image.id] = image
        for row in database.read(IMAGE_REFERENCES.select()):
            self._point(row.namespace, row.reference, row.image_id)

    def all(self) -> list[Image]:
        """Return every image of every namespace."""
        return list(self._images.values())

    def find(self, namespace: str, image_id: str) -> Image | None:
        """Return the image of this id in a namespace, None if there is none."""
        return self._images.get((namespace, image_id))

    def references(self, image: Image) -> list[Reference]:
        """Return the references that mean the image, tags before digests, each sorted."""
        found = [Reference.parse(text) for text in self._names.get((image.namespace, image.id), ())]
        return sorted(found, key=lambda r: (bool(r.digest), r.familiar))

    def target(self, namespace: str, reference: Reference) -> Image | None:
        """Return the image that a full reference means in a namespace, None if none does."""
        key = reference.with_digest(reference.digest) if reference.digest else reference
        image_id = self._references.get((namespace, str(key)))
        return self._images.get((namespace, image_id)) if image_id else None

    def get(self, scope: Scope, text: str) -> Image:
        """Return the image that `text` (id, reference, id prefix: in this order) means to the caller.

        NotFound with Docker's words, Conflict where a prefix means several.
        """
        seen = [image for image in self._images.values() if scope.sees(image.namespace)]
        full_id = text if text.startswith("sha256:") else f"sha256:{text}"
        exact = [image for image in seen if image.id == full_id]
        if exact:
            return exact[0]
        try:
            reference = Reference.parse(text).with_default_tag()
        except InvalidArgument:
            if not _HEX.fullmatch(text):
                raise
            reference = None
        if reference is not None and (named := self._named(scope, reference)):
            return named
        by_prefix = sorted(set(match_prefix(full_id, (image.id for image in seen)))) if _HEX.fullmatch(text) else []
        if len(by_prefix) > 1:
            raise Conflict(f"Multiple IDs found with provided prefix: {text}")
        if not by_prefix:
            raise NotFound(f"No such image: {reference.familiar if reference else text}")
        return next(image for image in seen if image.id == by_prefix[0])

    def save(self, transaction: Transaction, image: Image) -> None:
        """Write an image's record, a new one or one of the same id."""
        where = (IMAGES.c.namespace == image.namespace) & (IMAGES.c.id == image.id)
        transaction.execute(IMAGES.delete().where(where))
        document = _DOCUMENT.dump_json(image).decode()
        transaction.execute(IMAGES.insert(), {"namespace": image.namespace, "id": image.id, "document": document})
        transaction.after_commit(lambda: self._remember(image))

    def point(self, transaction: Transaction, reference: Reference, image: Image, now_ns: int) -> None:
        """Make `reference` mean `image`, whatever it meant before."""
        text = str(reference)
        where = (IMAGE_REFERENCES.c.namespace == image.namespace) & (IMAGE_REFERENCES.c.reference == text)
        transaction.execute(IMAGE_REFERENCES.delete().where(where))
        transaction.execute(
            IMAGE_REFERENCES.insert(),
            {"namespace": image.namespace, "reference": text, "image_id": image.id},
        )
        self.save(transaction, replace(image, tagged_ns=now_ns))
        transaction.after_commit(lambda: self._point(image.namespace, text, image.id))

    def unpoint(self, transaction: Transaction, namespace: str, reference: Reference) -> None:
        """Drop a reference."""
        text = str(reference)
        where = (IMAGE_REFERENCES.c.namespace == namespace) & (IMAGE_REFERENCES.c.reference == text)
        transaction.execute(IMAGE_REFERENCES.delete().where(where))
        transaction.after_commit(lambda: self._unpoint(namespace, text))

    def delete(self, transaction: Transaction, image: Image) -> None:
        """Drop an image's record; its references must be gone."""
        where = (IMAGES.c.namespace == image.namespace) & (IMAGES.c.id == image.id)
        transaction.execute(IMAGES.delete().where(where))
        transaction.after_commit(lambda: self._forget(image))

    def _named(self, scope: Scope, reference: Reference) -> Image | None:
        own = self.target(scope.home, reference)
        if own is not None:
            return own
        namespaces = sorted({namespace for namespace, _ in self._images if scope.sees(namespace)})
        return next((found for ns in namespaces if (found := self.target(ns, reference))), None)

    def _remember(self, image: Image) -> None:
        self._images[image.namespace, image.id] = image

    def _forget(self, image: Image) -> None:
        self._images.pop((image.namespace, image.id), None)

    def _point(self, namespace: str, text: str, image_id: str) -> None:
        self._unpoint(namespace, text)
        self._references[namespace, text] = image_id
        self._names[namespace, image_id] = (*self._names.get((namespace, image_id), ()), text)

    def _unpoint(self, namespace: str, text: str) -> None:
        old = self._references.pop((namespace, text), None)
        if old is not None:
            left = tuple(name for name in self._names.get((namespace, old), ()) if name != text)
            if left:
                self._names[namespace, old] = left
            else:
                self._names.pop((namespace, old), None)
