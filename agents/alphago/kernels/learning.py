"""Softmax regression over the moves of game records, and the probabilities that come of it."""

from __future__ import annotations

import numpy as np

from agents.alphago.kernels.board import EMPTY, NONE, ko_after, place_recorded, set_up
from agents.alphago.kernels.moves import MOST_FEATURES, answers, pattern_at, response_at
from envs.jit import kernel


@kernel
def score(board, numbers, keys, response, weights, colour, ko, last, taken, took, patterns, found, scores):
    """`scores` [points] w . x of every sensible move of `colour`, -inf elsewhere.

    `numbers` [2, 2 ** 20] i4 are the weights of 3x3 patterns for 1 and for -1 to move, NONE: the move is suicide or fills
    an own eye. Features are left in `patterns` [points] and in the rows of `found`, whose number is returned.
    """
    side = 0 if colour == 1 else 1
    for p in range(board["points"]):
        scores[p] = -np.inf
        if board["stone"][p] == EMPTY and p != ko:
            patterns[p] = numbers[side, pattern_at(board, p)]
            if patterns[p] != NONE:
                scores[p] = weights[patterns[p]]
    count = answers(board, keys, response, last, colour, taken, took, found)
    for j in range(count):
        scores[found[j, 0]] += weights[found[j, 1]]
    return count


@kernel
def softmax(scores, probabilities):
    """exp(score) / sum of exp(score) over the moves that have a score; all zero where none has."""
    greatest, total = -np.inf, 0.0
    for p in range(len(scores)):
        greatest = max(greatest, scores[p])
    for p in range(len(scores)):
        probabilities[p] = np.exp(scores[p] - greatest) if scores[p] > -np.inf else 0.0
        total += probabilities[p]
    for p in range(len(scores)):
        probabilities[p] /= max(total, 1e-300)


@kernel
def learn(moves, lengths, starts, order, boards, numbers, keys, response, weights, rate):
    """Go through the games `order` of `moves` [G, plies], all begun by Black; improve `weights` in place where `rate` > 0.

    The first `starts` moves of a game set its first position up. Every later one that is no pass is an example, met by the
    neuron's rule in its softmax form: with y = 1 for the move played, 0 for the others, and p the policy's probabilities
    before, w += rate * (y - p) * x for every move's features x. That is one step of stochastic gradient descent on
    -log p(move played), the loss of softmax regression.

    Returns examples, how many had their move as the most probable one, how many had it among the five most probable, and
    the sum of -log p over those `possible`: the policy gives own eyes and suicide no probability.
    """
    board = boards[0]
    points = board["points"]
    empty = np.zeros(points, np.int8)
    taken, patterns = np.empty(points, np.int16), np.empty(points, np.int32)
    found = np.empty((MOST_FEATURES, 2), np.int32)
    scores, probabilities = np.empty(points), np.empty(points)
    examples, first, fifth, possible, loss = 0, 0, 0, 0, 0.0
    for g in order:
        set_up(board, empty)
        ko, last, took = np.int64(NONE), np.int64(NONE), np.int64(0)
        for t in range(lengths[g]):
            p, colour = np.int64(moves[g, t]), 1 - 2 * (t & 1)
            if p >= points:
                ko, last, took = np.int64(NONE), np.int64(NONE), np.int64(0)
                continue
            if t < starts[g]:
                place_recorded(board, p, colour, taken)
                continue
            count = score(
                board, numbers, keys, response, weights, colour, ko, last, taken, took, patterns, found, scores
            )
            examples += 1
            if scores[p] > -np.inf:
                softmax(scores, probabilities)
                better = 0
                for q in range(points):
                    if scores[q] > scores[p] or (scores[q] == scores[p] and q < p):
                        better += 1
                first += better < 1
                fifth += better < 5
                possible += 1
                loss -= np.log(probabilities[p])
                if rate > 0:
                    for q in range(points):
                        if scores[q] > -np.inf:
                            weights[patterns[q]] += rate * ((q == p) - probabilities[q])
                    for j in range(count):
                        answer = found[j, 0]
                        if scores[answer] > -np.inf:
                            weights[found[j, 1]] += rate * ((answer == p) - probabilities[answer])
            took, last = np.int64(place_recorded(board, p, colour, taken)), p
            ko = ko_after(board, p, taken, took) if took == 1 else np.int64(NONE)
    return examples, first, fifth, possible, loss


@kernel
def list_responses(moves, lengths, starts, boards, out):
    """`out` [answers to moves] u8 gets the response pattern of every move that answers one; returns how many there are."""
    board = boards[0]
    points = board["points"]
    empty = np.zeros(points, np.int8)
    taken = np.empty(points, np.int16)
    count = 0
    for g in range(len(moves)):
        set_up(board, empty)
        for t in range(lengths[g]):
            p, colour = np.int64(moves[g, t]), 1 - 2 * (t & 1)
            if p < points:
                if t > starts[g] and moves[g, t - 1] < points:
                    out[count] = response_at(board, np.int64(moves[g, t - 1]), colour)
                    count += 1
                place_recorded(board, p, colour, taken)
    return count


@kernel
def probabilities_of(stones, colours, last, legal, boards, numbers, keys, response, weights, out):
    """`out` [B, points] f4: the policy in positions that stand alone, so that no stones count as just taken."""
    board = boards[0]
    points = board["points"]
    taken, patterns = np.empty(points, np.int16), np.empty(points, np.int32)
    found = np.empty((MOST_FEATURES, 2), np.int32)
    scores, probabilities = np.empty(points), np.empty(points)
    for i in range(len(stones)):
        set_up(board, stones[i])
        before = np.int64(last[i])
        score(board, numbers, keys, response, weights, colours[i], NONE, before, taken, 0, patterns, found, scores)
        for p in range(points):
            if not legal[i, p]:
                scores[p] = -np.inf
        softmax(scores, probabilities)
        for p in range(points):
            out[i, p] = probabilities[p]
