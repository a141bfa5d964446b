"""Who chooses a move: networks, evaluators, search, players."""

import os

# Torch's OpenMP threads spin at the end of every operator until the last one is done. With another program on a core they
# spin through its whole time slice: measured 780 positions/s instead of 22,900 beside one busy process. Waiting passively
# costs nothing measurable on a free machine. It must be set before torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
