"""One way to compile a kernel: `@kernel`.

Numba's on-disk cache looks only at the file a function stands in: edit a *callee* in another file and the stale machine
code of the caller is loaded without a word. So all kernels are compiled here, into a cache directory whose name is a
hash of every kernel source file, the numba version and the flags that change generated code. Any edit is a new cache.

Kernels are module-level functions over arrays and scalars; they never receive functions (numba would recompile them in
every process). A kernel that is the same for many games but for the rules is a template, of which `specialised` makes one a
game. Under `NUMBA_DISABLE_JIT=1` they run as the plain Python they are written in.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

_ROOT = Path(__file__).resolve().parent.parent
_FLAGS = ("NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT", "NUMBA_CPU_NAME", "NUMBA_OPT")


def _cache_key() -> str:
    """Hash of everything that decides what machine code a kernel becomes."""
    digest = hashlib.sha256(numba.__version__.encode())
    for flag in _FLAGS:
        digest.update(f"{flag}={os.environ.get(flag, '')};".encode())
    for source in sorted(p for package in ("envs", "agents") for p in (_ROOT / package).rglob("*.py")):
        text = source.read_bytes()
        if b"envs.jit import" in text:  # so does this one
            digest.update(source.name.encode() + text)
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """`$ARENA_CACHE`, else the user's cache directory, else (read-only home) the temporary directory."""
    chosen = os.environ.get("ARENA_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "arena"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        base = Path(tempfile.gettempdir()) / f"arena-{os.getuid()}"
    return base


numba.config.CACHE_DIR = str(cache_folder() / "kernels" / _cache_key())  # type: ignore[attr-defined]  # set by name at import


# `_nrt` is numba's runtime, which counts references. Both words are given, since callees inherit what they do not say themselves.
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "forceinline": False, "_nrt": True}
_INLINED: dict[str, Any] = {**_OPTIONS, "forceinline": True, "_nrt": False}


def kernel(function: Function) -> Function:
    """Compile `function` to machine code that releases the GIL, cached across processes."""
    return cast(Function, numba.njit(**_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """A kernel that becomes part of every kernel that calls it, and counts no references: for the steps of a search.

    To hand on many arrays costs more than the step itself: eight words each, and locked instructions that raise and lower the
    count of their references. Such a kernel may make views of arrays, but no arrays.
    """
    return cast(Function, numba.njit(**_INLINED)(function))


def specialised(template: Function, name: str, **kernels: Callable[..., object]) -> Function:
    """The kernel that `template`, a module-level function, becomes with `kernels` in place of its globals of those names.

    Numba finds the machine code of an earlier process by the file, line and name of a function: `name` must be this kernel's own.
    """
    plain = cast(FunctionType, template)
    made = FunctionType(plain.__code__, {**plain.__globals__, **kernels}, name, plain.__defaults__)
    made.__module__, made.__qualname__, made.__doc__ = plain.__module__, name, plain.__doc__
    return cast(Function, kernel(made))
