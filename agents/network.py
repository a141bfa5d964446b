"""The policy/value network: one trunk, one head per question."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field
from torch import Tensor, nn

from agents.modules.convolution import ConvNorm, ResidualTower
from agents.modules.heads import PolicyHead, TerritoryHead, ValueHead
from agents.section import Section
from envs import Game, TerritoryGame


class NetworkSettings(Section):
    """Sizes of the network."""

    blocks: int = Field(4, ge=0, description="residual blocks; AlphaGo Zero 20 or 40")
    channels: int = Field(32, ge=1, description="channels of the trunk; AlphaGo Zero 256")
    global_pooling: bool = Field(False, description="every third block sees the whole board (KataGo)")
    policy_channels: int = Field(8, ge=1, description="channels before the policy's linear layer; AlphaGo Zero 2")
    value_channels: int = Field(4, ge=1, description="channels before the value's linear layers; AlphaGo Zero 1")
    value_hidden: int = Field(64, ge=1, description="width of the value's hidden layer; AlphaGo Zero 256")
    territory: bool = Field(False, description="auxiliary ownership and score heads, for games of territory")


class Output(NamedTuple):
    policy: Tensor  # [B, A] logits, illegal actions not masked
    value: Tensor  # [B] logits: value = tanh(logit / 2)
    ownership: Tensor | None  # [B, H, W] logits
    score: Tensor | None  # [B] in board areas


class PolicyValueNetwork(nn.Module):
    """f(planes [B, P, H, W]) -> Output, everything from the side to move."""

    def __init__(self, game: Game, settings: NetworkSettings) -> None:
        super().__init__()
        if settings.territory and not isinstance(game, TerritoryGame):
            raise ValueError(f"network.territory needs a game of territory such as go9; {game.name} has none")
        planes, channels, board = len(game.planes), settings.channels, game.board_shape
        self.trunk = ResidualTower(planes, channels, settings.blocks, global_pooling=settings.global_pooling)
        self.policy = PolicyHead(channels, settings.policy_channels, board, game.num_actions)
        self.value = ValueHead(channels, settings.value_channels, settings.value_hidden, board)
        self.territory = TerritoryHead(channels, board) if settings.territory else None

    def forward(self, planes: Tensor) -> Output:
        x = self.trunk(planes)
        ownership, score = self.territory(x) if self.territory is not None else (None, None)
        return Output(self.policy(x), self.value(x), ownership, score)


def fold_normalisation(network: nn.Module) -> None:
    """Turn every `ConvNorm` into one convolution, in place: for play, never for training."""
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.fold()
