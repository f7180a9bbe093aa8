"""Names of images, digests of content, platforms: values that several nouns share. Pure.

    busybox                       docker.io/library/busybox:latest
    me/app:1                      docker.io/me/app:1
    127.0.0.1:5000/app@sha256:…   a registry with a port, a digest
    localhost/app                 `localhost`, a dot, a colon or a capital make the first part a registry

The grammar is that of the `distribution/reference` library, its error texts are part of the API.
"""

from __future__ import annotations

import hashlib
import platform as host_platform
import re
from dataclasses import dataclass, replace

from config.contract import DEFAULT_REGISTRY
from engine.errors import InvalidArgument
from engine.ids import Digest

DEFAULT_TAG = "latest"
_NAME_LIMIT = 255
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_REFERENCE = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "i386": "386"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A full image name. `tag` and `digest` are "" where they are not given."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return the reference that `text` names, without a tag where none is given.

        InvalidArgument with Docker's words ("invalid reference format…") where the grammar refuses it.
        """
        if _IDENTIFIER.fullmatch(text):
            raise InvalidArgument(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
        domain, rest = _split_domain(text)
        remote = re.split(r"[:@]", rest, maxsplit=1)[0]
        if remote.lower() != remote:
            raise InvalidArgument(f"invalid reference format: repository name ({remote}) must be lowercase")
        match = _REFERENCE.fullmatch(f"{domain}/{rest}")
        if not match:
            raise InvalidArgument("invalid reference format")
        if len(f"{domain}/{match['path']}") > _NAME_LIMIT:
            raise InvalidArgument(f"repository name must not be more than {_NAME_LIMIT} characters")
        if match["digest"]:
            check_digest(match["digest"])
        return cls(domain, match["path"], match["tag"] or "", match["digest"] or "")

    @property
    def name(self) -> str:
        """The full repository name: `docker.io/library/busybox`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as users write it: `busybox`."""
        if self.domain != DEFAULT_REGISTRY:
            return self.name
        short = self.path.removeprefix("library/") if self.path.count("/") == 1 else self.path
        # Cut short, a path such as `0.0/app` would name another registry.
        return short if _split_domain(short)[0] == DEFAULT_REGISTRY else self.name

    @property
    def familiar(self) -> str:
        """The reference as users write it, with what it has of tag and digest."""
        return self.familiar_name + self._suffix()

    @property
    def is_name_only(self) -> bool:
        """Whether neither tag nor digest is given."""
        return not self.tag and not self.digest

    def with_default_tag(self) -> Reference:
        """Return the reference with `latest` where neither tag nor digest is given."""
        return replace(self, tag=DEFAULT_TAG) if self.is_name_only else self

    def with_tag(self, tag: str) -> Reference:
        """Return the repository's reference with `tag` and no digest; InvalidArgument for what is no tag."""
        if not re.fullmatch(_TAG, tag):
            raise InvalidArgument("invalid tag format")
        return replace(self, tag=tag, digest="")

    def with_digest(self, digest: str) -> Reference:
        """Return the repository's reference by `digest`, without a tag."""
        return replace(self, tag="", digest=check_digest(digest))

    def __str__(self) -> str:
        """Return the full form: `docker.io/library/busybox:latest`."""
        return self.name + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not (any(c in first for c in ".:") or first == "localhost" or first.lower() != first):
        first, rest = DEFAULT_REGISTRY, text
    if first == "index.docker.io":
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def check_digest(text: str) -> Digest:
    """Return `text` as a digest, or raise InvalidArgument: unknown algorithm, wrong length, not lower-case hex."""
    algorithm, colon, digits = text.partition(":")
    if not colon or not digits:
        raise InvalidArgument("invalid checksum digest format")
    if algorithm not in _HEX_LENGTHS:
        raise InvalidArgument("unsupported digest algorithm")
    if len(digits) != _HEX_LENGTHS[algorithm]:
        raise InvalidArgument("invalid checksum digest length")
    if not re.fullmatch(r"[a-f0-9]+", digits):
        raise InvalidArgument("invalid checksum digest format")
    return Digest(text)


def digest_of(data: bytes) -> Digest:
    """Return the sha256 digest of `data`."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and architecture, in Go's words: `linux`, `arm`, `v7`."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def host(cls) -> Platform:
        """Return what this machine runs."""
        machine = host_platform.machine()
        variant = {"armv7l": "v7", "armv6l": "v6"}.get(machine, "")
        return cls("linux", _ARCHITECTURES.get(machine, machine), variant)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Return the platform of `linux/arm64/v8`, `linux/arm64`, `arm64`; "" is this machine's.

        InvalidArgument for anything else; a missing part is this machine's, `x86_64` and such are understood.
        """
        host = cls.host()
        if not text:
            return host
        parts = text.lower().split("/")
        if len(parts) > 3 or not all(re.fullmatch(r"[a-z0-9_.-]+", part) for part in parts):
            raise InvalidArgument(f'"{text}" is an invalid OS/architecture specifier')
        if len(parts) == 1:
            if parts[0] in ("linux", "windows", "darwin", "freebsd"):
                return cls(parts[0], host.architecture, host.variant)
            parts = [host.os, *parts]
        architecture = _ARCHITECTURES.get(parts[1], parts[1])
        variant = parts[2] if len(parts) == 3 else ""
        return cls(parts[0], architecture, "" if (architecture, variant) == ("arm64", "v8") else variant)

    def runs(self, other: Platform) -> bool:
        """Say whether an image for `other` serves this request; a variant counts only where both name one."""
        theirs = "" if (other.architecture, other.variant) == ("arm64", "v8") else other.variant
        same = (self.os, self.architecture) == (other.os or "linux", other.architecture)
        return same and (not self.variant or not theirs or self.variant == theirs)

    def __str__(self) -> str:
        """Return `linux/arm/v7`."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
