"""AlphaGo 2016's own parts: Silver et al., Mastering the game of Go with deep neural networks and tree search (Nature 529).

features.py     the 48 planes that the networks see (its extended data table 2; `agents/planes.py` shows them)
policies.py     sensible moves, raw policies as players, the mixed leaf (1 - lambda) v + lambda z
rollout.py      the rollout policy p_pi (its extended data table 4), which is also the tree policy
search.py       the search (its methods: asynchronous policy and value MCTS)
player.py       all of it as a player, and the variants of the ablation (its extended data table 7)
kernels/        boards, features, learning, playouts, ladders and the search's tree in compiled code

The networks p_sigma, p_rho and v_theta are `agents/network.py`'s; `arena/alphago/` is how all of them are learned.
"""
