"""What a trunk is asked: policy, value, and for games of territory ownership and score.

Shapes: B positions, C trunk channels, H x W the board, A actions. Answers are float32 whatever the trunk computes in.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.modules.convolution import ConvNorm


class PolicyHead(nn.Module):
    """Classification of the move: 1x1 convolution, then a linear layer over the board. [B, C, H, W] -> [B, A] logits."""

    def __init__(self, channels: int, hidden: int, board: tuple[int, int], actions: int) -> None:
        super().__init__()
        self.squeeze = ConvNorm(channels, hidden, 1)
        self.logits = nn.Linear(hidden * board[0] * board[1], actions)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.logits(torch.relu(self.squeeze(x)).flatten(1).float())
        return y.float()


class PointPolicyHead(nn.Module):
    """The same, alike at every point: a 1x1 convolution with a bias for each point (AlphaGo 2016). [B, C, H, W] -> [B, A] logits.

    Actions after the points, such as a pass, which the paper's network has not, are linear in the mean over the board.
    """

    def __init__(self, channels: int, board: tuple[int, int], actions: int) -> None:
        super().__init__()
        points = board[0] * board[1]
        if actions < points:
            raise ValueError(f"policy_head=points needs an action for each of {points} points, not {actions}")
        self.squeeze = nn.Conv2d(channels, 1, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(points))
        self.others = nn.Linear(channels, actions - points)

    def forward(self, x: Tensor) -> Tensor:
        points = self.squeeze(x).flatten(1).float() + self.bias
        return torch.cat([points, self.others(x.mean(dim=(2, 3)).float()).float()], dim=1)


class ValueHead(nn.Module):
    """Expected result: [B, C, H, W] -> [B] logits. value = tanh(logit / 2), so that (1 + value) / 2 = sigmoid(logit)."""

    def __init__(self, channels: int, squeezed: int, hidden: int, board: tuple[int, int]) -> None:
        super().__init__()
        self.squeeze = ConvNorm(channels, squeezed, 1)
        self.hidden = nn.Linear(squeezed * board[0] * board[1], hidden)
        self.logit = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.hidden(torch.relu(self.squeeze(x)).flatten(1).float()))
        logit: Tensor = self.logit(y)
        return logit.squeeze(1).float()


class TerritoryHead(nn.Module):
    """Who will own each point (one label a point: multi-label classification) and by how much the game is won.

    [B, C, H, W] -> ownership [B, H, W] logits of "the side to move owns it", score [B] in board areas for the side to move.
    """

    def __init__(self, channels: int, board: tuple[int, int]) -> None:
        super().__init__()
        self.ownership = nn.Conv2d(channels, 1, 1)
        self.score = nn.Linear(board[0] * board[1], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.ownership(x).squeeze(1).float()
        score: Tensor = self.score(torch.tanh(logits / 2).flatten(1))
        return logits, score.squeeze(1).float()
