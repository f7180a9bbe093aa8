"""What is asked of a build; a stage as it grows, and what it would be as an image. Values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.build import config as configs
from engine.containers.model import HostConfig
from engine.images.config import ImageDocument, render_config, render_document
from engine.images.model import HistoryEntry, ImageLayer
from engine.refs import Platform, Reference, digest_of
from engine.values import ImageConfig


@dataclass(frozen=True, slots=True)
class BuildWish:
    """What is asked of a build. `args` of None take their value from nowhere: declared, but not set."""

    tags: tuple[Reference, ...] = ()
    dockerfile: str = "Dockerfile"
    target: str = ""
    args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    pull: bool = False
    cache_from: tuple[str, ...] = ()
    platform: str = ""
    host: HostConfig = field(default_factory=HostConfig)
    """Limits, network mode, extra hosts of the steps' containers."""
    registries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Credentials by registry."""
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    remote: str = ""
    client_id: str = ""
    """A name that the client gives to the build, to cancel it by."""


@dataclass(frozen=True, slots=True)
class State:
    """A stage after one of its steps. `created` is the last step's time (RFC 3339)."""

    config: ImageConfig = field(default_factory=ImageConfig)
    layers: tuple[ImageLayer, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    created: str = ""
    author: str = ""
    platform: Platform = field(default_factory=Platform.host)
    args: Mapping[str, str] = field(default_factory=dict)
    """What ARG has declared in this stage and has a value."""
    cmd_is_own: bool = False

    @property
    def chain(self) -> tuple[str, ...]:
        """Chain ids of the layers, base first."""
        return tuple(layer.chain_id for layer in self.layers)

    @property
    def top(self) -> str:
        """The chain id of the topmost layer, "" without any."""
        return self.layers[-1].chain_id if self.layers else ""

    @property
    def variables(self) -> dict[str, str]:
        """What `$NAME` means now: the environment wins over arguments."""
        return {**self.args, **configs.variables(self.config)}

    def identity(self) -> str:
        """Return a digest of all that a step which runs nothing builds on."""
        config = render_config(self.config)
        text = json.dumps([self.top, config, self.created, self.author], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def document(self) -> bytes:
        """Return the configuration document of the image that the stage is now."""
        return render_document(
            ImageDocument(
                config=self.config,
                diff_ids=tuple(layer.diff_id for layer in self.layers),
                architecture=self.platform.architecture,
                os=self.platform.os,
                variant=self.platform.variant,
                created=self.created,
                author=self.author,
                history=self.history,
            )
        )

    def image_id(self) -> str:
        """Return the id of the image that the stage is now."""
        return digest_of(self.document())

    def after(self, config: ImageConfig, words: str, created: str, layer: ImageLayer | None = None) -> State:
        """Return the state with one more step in its history, and the layer it made, if any."""
        entry = HistoryEntry(created=created, created_by=words, author=self.author, empty_layer=layer is None)
        return replace(
            self,
            config=config,
            layers=(*self.layers, layer) if layer else self.layers,
            history=(*self.history, entry),
            created=created,
        )
