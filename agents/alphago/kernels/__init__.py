"""The compiled parts of AlphaGo. They see boards as plain arrays, so that they know nothing of how Go keeps its states."""
