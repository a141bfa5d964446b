"""Who chooses a move: networks, evaluators, search, players."""

import os

# Torch's OpenMP threads spin at the end of every operator until the last one is done. With another program on a core they
# spin through its whole time slice: measured 780 positions/s instead of 22,900 beside one busy process. Waiting passively
# wakes them for every operator, and a small network's step has a thousand: so they spin for a moment (GNU's OpenMP, which
# torch has on Linux), then sleep. RESULTS.md has both measured. It must be set before torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
