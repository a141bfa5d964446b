"""Marks that tests of several files share, and the program that one of them needs."""

from __future__ import annotations

import os
import shutil

import numba
import pytest

compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes in plain Python")
GNUGO = shutil.which("gnugo", path=f"{os.environ.get('PATH', '')}:/usr/games") or ""
with_gnugo = pytest.mark.skipif(not GNUGO, reason="GNU Go is not installed: apt-get install gnugo")
# What kernels rely on, numpy warns of when they run uncompiled: unsigned numbers wrap around.
wrapping = pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning")
old_pettingzoo = pytest.mark.filterwarnings("ignore:The old environment creation API:DeprecationWarning")
