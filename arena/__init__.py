"""Who plays whom, who learns from it, who keeps the score."""

import agents  # noqa: F401  # before anything here imports torch: it sets how OpenMP waits
