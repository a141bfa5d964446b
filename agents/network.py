"""The policy/value network: one trunk, one head per question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, Self, get_args

from pydantic import Field, model_validator
from torch import Tensor, nn

from agents.modules.attention import TransformerTrunk
from agents.modules.convolution import ConvNorm, ConvolutionalTrunk, ResidualTower
from agents.modules.heads import PointPolicyHead, PolicyHead, TerritoryHead, ValueHead
from agents.modules.mlp import MLPTrunk
from agents.modules.recurrent import RecurrentTrunk
from agents.planes import Planes, seen_by
from agents.section import Section
from envs import Game, TerritoryGame

Trunk = Literal["residual", "convolutional", "mlp", "transformer", "recurrent"]
AUXILIARY = ("territory", "reply", "soft_policy")  # settings of heads that serve learning only
TRUNKS: tuple[Trunk, ...] = get_args(Trunk)


class NetworkSettings(Section):
    """Kind and sizes of the network.

    | trunk | a block is | channels |
    |---|---|---|
    | residual | two convolutions and a shortcut | of every convolution |
    | convolutional | two convolutions | of every convolution |
    | mlp | a hidden layer of `mlp_hidden` units | of the features that the last layer makes for every point |
    | transformer | attention and MLP | of every token, shared among `attention_heads` |
    | recurrent | a step of the one recurrent cell | of its state |
    """

    trunk: Trunk = Field(
        "residual", description="what turns planes into features; AlphaGo convolutional, then residual"
    )
    planes: Planes = Field(
        "game",
        description="what it is shown: the game's own planes, or those of AlphaGo's policy (48) or value network (49)",
    )
    separate: bool = Field(
        False,
        description="policy and value network apart, each on a trunk of its own; AlphaGo Zero compares dual-res with sep-res, "
        "dual-conv and sep-conv (trunk: convolutional)",
    )
    blocks: int = Field(4, ge=0, description="depth of the trunk; AlphaGo Zero 20 or 40")
    channels: int = Field(32, ge=1, description="channels of the trunk; AlphaGo Zero 256")
    global_pooling: bool = Field(False, description="residual: every third block sees the whole board (KataGo)")
    squeeze_excitation: bool = Field(
        False, description="residual: channels weighed by the whole board (Leela Chess Zero)"
    )
    mlp_hidden: int = Field(256, ge=1, description="mlp: units of a hidden layer")
    attention_heads: int = Field(4, ge=1, description="transformer: heads of a block; they divide the channels")
    policy_head: Literal["linear", "points"] = Field(
        "linear", description="how the policy comes about: by a linear layer, or point by point as in AlphaGo 2016"
    )
    policy_channels: int = Field(8, ge=1, description="channels before the policy's linear layer; AlphaGo Zero 2")
    value_channels: int = Field(4, ge=1, description="channels before the value's linear layers; AlphaGo Zero 1")
    value_hidden: int = Field(64, ge=1, description="width of the value's hidden layer; AlphaGo Zero 256")
    territory: bool = Field(False, description="auxiliary ownership and score heads, for games of territory")
    reply: bool = Field(False, description="auxiliary head that predicts the opponent's next policy; KataGo true")
    soft_policy: bool = Field(False, description="auxiliary head that learns the policy flattened; KataGo true")

    @model_validator(mode="after")
    def _fits_the_trunk(self) -> Self:
        for name in ("global_pooling", "squeeze_excitation"):
            if getattr(self, name) and self.trunk != "residual":
                raise ValueError(f"{name} is for the residual trunk: set it to false or trunk to residual")
        if self.trunk == "transformer" and self.channels % self.attention_heads:
            raise ValueError(
                f"attention_heads must divide channels: {self.channels} is no multiple of {self.attention_heads}"
            )
        return self


class Output(NamedTuple):
    policy: Tensor  # [B, A] logits, illegal actions not masked
    value: Tensor  # [B] logits: value = tanh(logit / 2)
    ownership: Tensor | None  # [B, H, W] logits
    score: Tensor | None  # [B] in board areas
    reply: Tensor | None = None  # [B, A] logits of the opponent's next move, nothing masked
    soft: Tensor | None = None  # [B, A] logits of the flattened policy, illegal actions not masked


class PolicyValueNetwork(nn.Module):
    """f(planes [B, P, H, W]) -> Output, everything from the side to move.

    One trunk for all heads, or, where `settings.separate`, one for the policy and another for what the result will be: value,
    ownership and score.
    """

    def __init__(self, game: Game, settings: NetworkSettings) -> None:
        super().__init__()
        if settings.territory and not isinstance(game, TerritoryGame):
            raise ValueError(f"network.territory needs a game of territory such as go9; {game.name} has none")
        game = seen_by(settings.planes, game)
        channels, board = settings.channels, game.board_shape
        self.trunk = make_trunk(len(game.planes), board, settings)
        self.value_trunk = make_trunk(len(game.planes), board, settings) if settings.separate else None
        self.policy = make_policy_head(board, game.num_actions, settings)
        self.value = ValueHead(channels, settings.value_channels, settings.value_hidden, board)
        self.territory = TerritoryHead(channels, board) if settings.territory else None
        shape = (channels, settings.policy_channels, board, game.num_actions)
        self.reply = PolicyHead(*shape) if settings.reply else None
        self.soft = PolicyHead(*shape) if settings.soft_policy else None

    def forward(self, planes: Tensor) -> Output:
        x = self.trunk(planes)
        y = x if self.value_trunk is None else self.value_trunk(planes)
        ownership, score = self.territory(y) if self.territory is not None else (None, None)
        reply = self.reply(x) if self.reply is not None else None
        soft = self.soft(x) if self.soft is not None else None
        return Output(self.policy(x), self.value(y), ownership, score, reply, soft)

    def trunks(self) -> list[nn.Module]:
        """All trunks: one, or that of the policy and that of the value."""
        return [self.trunk] if self.value_trunk is None else [self.trunk, self.value_trunk]


def make_policy_head(board: tuple[int, int], actions: int, settings: NetworkSettings) -> nn.Module:
    """The policy head that `settings` name: features [B, C, H, W] -> logits [B, A]."""
    if settings.policy_head == "points":
        return PointPolicyHead(settings.channels, board, actions)
    return PolicyHead(settings.channels, settings.policy_channels, board, actions)


def make_trunk(planes: int, board: tuple[int, int], settings: NetworkSettings) -> nn.Module:
    """The trunk that `settings` name: planes [B, P, H, W] -> features [B, C, H, W]."""
    channels, blocks = settings.channels, settings.blocks
    match settings.trunk:
        case "residual":
            pooling, excitation = settings.global_pooling, settings.squeeze_excitation
            return ResidualTower(planes, channels, blocks, global_pooling=pooling, squeeze_excitation=excitation)
        case "convolutional":
            return ConvolutionalTrunk(planes, channels, blocks)
        case "mlp":
            return MLPTrunk(planes, channels, blocks, board, hidden=settings.mlp_hidden)
        case "transformer":
            return TransformerTrunk(planes, channels, blocks, board, heads=settings.attention_heads)
        case "recurrent":
            return RecurrentTrunk(planes, channels, blocks)


def for_play(game: Game, settings: NetworkSettings, weights: Mapping[str, Tensor]) -> PolicyValueNetwork:
    """The network with `weights` as it plays: normalisation folded, without the auxiliary heads, which serve learning only."""
    network = PolicyValueNetwork(game, settings)
    network.load_state_dict(weights)
    network.eval()
    fold_normalisation(network)
    network.territory = network.reply = network.soft = None
    return network


def fold_normalisation(network: nn.Module) -> None:
    """Turn every `ConvNorm` into one convolution, in place: for play, never for training.

    Layer normalisation depends on the position and stays.
    """
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.fold()
