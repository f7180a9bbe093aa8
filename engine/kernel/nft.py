"""nftables through libnftables: 0.1 ms a command, where the `nft` process takes 5 to 20 ms.

`Nft.run` takes nft(8)'s language. One call is one transaction: all of it holds or nothing does.
"""

from __future__ import annotations

import ctypes
import os
import threading

from engine.errors import Internal

_SONAME = "libnftables.so.1"
_JSON = 1 << 4
_SELECT_LIMIT = 1000


class NftError(Internal):
    """nftables refused a command; the message is its own."""


class Nft:
    """A libnftables context of the namespace of the thread that opens it; `as_json`: what it lists is JSON."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._lock = threading.Lock()
        self.threads: set[int] = set()
        """Kernel ids of the threads that have run commands: the kernel tells listeners whose a change was by them."""
        self._library = _load()
        _check_room()
        self._context = self._library.nft_ctx_new(0)
        if not self._context:
            raise NftError("libnftables gives no context")
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)
        if as_json:
            self._library.nft_ctx_output_set_flags(self._context, _JSON)

    def run(self, commands: str) -> str:
        """Apply `commands` in one transaction and return the output of its `list` commands."""
        with self._lock:
            if not self._context:
                raise NftError("nftables context is closed")
            self.threads.add(threading.get_native_id())
            status = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
            output = self._library.nft_ctx_get_output_buffer(self._context).decode()
            problem = self._library.nft_ctx_get_error_buffer(self._context).decode()
        if status:
            raise NftError(f"nftables: {problem.strip()}")
        return str(output)

    def close(self) -> None:
        """Free the context; idempotent."""
        with self._lock:
            if self._context:
                self._library.nft_ctx_free(self._context)
                self._context = None


def _check_room() -> None:
    """Raise NftError where libnftables would get a socket that its select(2) can't take: it ends the whole process."""
    probe = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.close(probe)
    if probe >= _SELECT_LIMIT:
        raise NftError("nftables can't be asked: the process has too many files open")


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(_SONAME)
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    return library
