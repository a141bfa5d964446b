"""AlphaGo 2016's own parts: feature planes, sensible moves, rollout policy, sampled policies, the mixed leaf value.

Source: Silver et al., Mastering the game of Go with deep neural networks and tree search (Nature 529, 2016).
"""
