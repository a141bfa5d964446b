"""mctx with pgx for `benchmarks/peers.py`, run under a Python that has both: GAME BLOCKS CHANNELS SIMULATIONS SECONDS.

Gumbel MuZero's policy over a batch of pgx games in one compiled function, the network a residual tower in bare JAX, channels
last, float32, with a linear policy and value on top. Prints JSON, a second: `ceiling`, positions through the network alone at the
same batch; `simulations`; `dummy`, simulations with uniform priors in the network's place; and the `batch` that was fastest.
"""

from __future__ import annotations

import json
import sys
import time

import jax
import jax.numpy as jnp
import mctx
import pgx

BATCHES = (64, 128, 256)
TURNS = 3


def make_network(key, planes, height, width, actions, blocks, channels):
    """Weights of a tower, and the function that runs them: [B, H, W, C] -> logits [B, A], values [B]."""
    keys = iter(jax.random.split(key, 2 * blocks + 4))
    convolutions = [jax.random.normal(next(keys), (3, 3, planes, channels)) * 0.1]
    convolutions += [jax.random.normal(next(keys), (3, 3, channels, channels)) * 0.05 for _ in range(2 * blocks)]
    policy = jax.random.normal(next(keys), (height * width * channels, actions)) * 0.01
    value = jax.random.normal(next(keys), (height * width * channels,)) * 0.01

    def run(weights, x):
        convolutions, policy, value = weights

        def convolve(x, w):
            return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

        x = jax.nn.relu(convolve(x.astype(jnp.float32), convolutions[0]))
        for first, second in zip(convolutions[1::2], convolutions[2::2], strict=True):
            x = jax.nn.relu(x + convolve(jax.nn.relu(convolve(x, first)), second))
        flat = x.reshape(x.shape[0], -1)
        return flat @ policy, jnp.tanh(flat @ value)

    return (convolutions, policy, value), run


def make_search(env, network, simulations):
    """The function (weights, states, key) -> states after a searched move in every game."""
    step, start = jax.vmap(env.step), jax.vmap(env.init)

    def mask(logits, legal):
        return jnp.where(legal, logits - logits.max(axis=-1, keepdims=True), jnp.finfo(logits.dtype).min)

    def recurrent(weights, key, action, states):
        player = states.current_player
        states = step(states, action)
        logits, value = network(weights, states.observation)
        reward = states.rewards[jnp.arange(len(player)), player]
        value = jnp.where(states.terminated, 0.0, value)
        discount = jnp.where(states.terminated, 0.0, -jnp.ones_like(value))
        output = mctx.RecurrentFnOutput(
            reward=reward, discount=discount, prior_logits=mask(logits, states.legal_action_mask), value=value
        )
        return output, states

    def search(weights, states, key):
        logits, value = network(weights, states.observation)
        root = mctx.RootFnOutput(prior_logits=mask(logits, states.legal_action_mask), value=value, embedding=states)
        found = mctx.gumbel_muzero_policy(
            weights,
            key,
            root,
            recurrent,
            simulations,
            invalid_actions=~states.legal_action_mask,
            qtransform=mctx.qtransform_completed_by_mix_value,
        )
        moved = step(states, found.action)
        fresh = start(jax.random.split(key, len(value)))
        return jax.tree_util.tree_map(
            lambda new, old: jnp.where(moved.terminated.reshape(-1, *[1] * (old.ndim - 1)), new, old), fresh, moved
        )

    return jax.jit(search)


def rate(work, units, seconds):
    """Units a second, the best of the turns, after a call to compile."""
    jax.block_until_ready(work())
    best = 0.0
    for _ in range(TURNS):
        done, begin = 0, time.perf_counter()
        while (passed := time.perf_counter() - begin) < seconds / TURNS:
            jax.block_until_ready(work())
            done += units
        best = max(best, done / passed)
    return best


def main() -> None:
    name, (blocks, channels, simulations), seconds = sys.argv[1], map(int, sys.argv[2:5]), float(sys.argv[5])
    env = pgx.make(name)
    height, width, planes = env.observation_shape
    weights, run = make_network(jax.random.PRNGKey(0), planes, height, width, env.num_actions, blocks, channels)

    def uniform(_, x):
        return jnp.zeros((x.shape[0], env.num_actions)), jnp.zeros(x.shape[0])

    def searching(network, batch):
        search = make_search(env, network, simulations)
        states = jax.vmap(env.init)(jax.random.split(jax.random.PRNGKey(1), batch))
        turn = 0

        def work():
            nonlocal states, turn
            turn += 1
            states = search(weights, states, jax.random.PRNGKey(turn))
            return states.observation

        return work

    slice_of_time = seconds / (len(BATCHES) + 2)
    speeds = {batch: rate(searching(run, batch), batch * simulations, slice_of_time) for batch in BATCHES}
    batch = max(speeds, key=speeds.__getitem__)
    x, alone = jnp.zeros((batch, height, width, planes), bool), jax.jit(run)
    ceiling = rate(lambda: alone(weights, x), batch, slice_of_time)
    dummy = rate(searching(uniform, batch), batch * simulations, slice_of_time)
    print(json.dumps({"batch": batch, "simulations": speeds[batch], "ceiling": ceiling, "dummy": dummy}))


if __name__ == "__main__":
    main()
