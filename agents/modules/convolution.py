"""The convolutional chapter: from a convolution to a residual tower.

Shapes: B positions, C channels, H x W the board. Nothing here changes H or W.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere


class ConvNorm(nn.Module):
    """Convolution, then batch normalisation: y = gamma (w * x - mu) / sigma + beta. [B, C, H, W] -> [B, C', H, W].

    The same weights look at every point of the board (translation equivariance); the normalisation keeps deep towers
    trainable (Ioffe & Szegedy 2015). In play both are one convolution: see `fold`.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y

    def fold(self) -> None:
        """Multiply the running statistics into the convolution; afterwards forward is the convolution alone."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        size = int(self.conv.weight.shape[2])
        folded = nn.Conv2d(self.conv.in_channels, self.conv.out_channels, size, padding=size // 2)
        assert folded.bias is not None
        with torch.no_grad():
            folded.weight.copy_(self.conv.weight * scale[:, None, None, None])
            folded.bias.copy_(norm.bias - norm.running_mean * scale)
        self.conv, self.norm = folded, nn.Identity()


class GlobalPooling(nn.Module):
    """Mean and maximum over the board: [B, C, H, W] -> [B, 2 C]. How a point learns of what happens elsewhere (KataGo)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=(2, 3)), F.adaptive_max_pool2d(x, 1).flatten(1)], dim=1)


class SqueezeExcitation(nn.Module):
    """x . sigmoid(W_2 relu(W_1 mean(x))): what the whole board holds decides how much each channel counts.

    [B, C, H, W] -> the same; mean over the board (Hu, Shen & Sun 2018; in Leela Chess Zero's blocks).
    """

    def __init__(self, channels: int, ratio: int = 4) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(1, channels // ratio))
        self.excite = nn.Linear(max(1, channels // ratio), channels)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * scale[:, :, None, None]


class ResidualBlock(nn.Module):
    """y = relu(x + f(x)), f two convolutions (He et al. 2016; AlphaGo Zero's tower). [B, C, H, W] -> the same.

    Where `pooled`, the first convolution's output also passes through global pooling, and comes back as a
    bias on every point of the second's input (KataGo 2019). Where `excited`, f ends in squeeze-excitation.
    """

    def __init__(self, channels: int, *, pooled: bool, excited: bool) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels, 3)
        self.second = ConvNorm(channels, channels, 3)
        self.pool = nn.Sequential(GlobalPooling(), nn.Linear(2 * channels, channels)) if pooled else None
        self.excitation = SqueezeExcitation(channels) if excited else None

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x))
        if self.pool is not None:
            y = torch.relu(y + self.pool(y)[:, :, None, None])
        y = self.second(y)
        if self.excitation is not None:
            y = self.excitation(y)
        return torch.relu(x + y)


class ResidualTower(nn.Module):
    """A 3x3 convolution from the planes, then `blocks` residual blocks. [B, P, H, W] -> [B, C, H, W].

    Every third block pools globally where `global_pooling` is on, every block has squeeze-excitation where that is on.
    """

    def __init__(
        self, planes: int, channels: int, blocks: int, *, global_pooling: bool, squeeze_excitation: bool
    ) -> None:
        super().__init__()
        self.stem = ConvNorm(planes, channels, 3)
        self.blocks = nn.Sequential(
            *[
                ResidualBlock(channels, pooled=global_pooling and i % 3 == 2, excited=squeeze_excitation)
                for i in range(blocks)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.blocks(torch.relu(self.stem(x)))
        return y


class ConvolutionalTrunk(nn.Module):
    """The residual tower without its shortcuts: 1 + 2 `blocks` 3x3 convolutions in a row. [B, P, H, W] -> [B, C, H, W].

    The plain network that residual ones are measured against (He et al. 2016, figure 3). AlphaGo 2016's networks were such,
    without normalisation.
    """

    def __init__(self, planes: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([ConvNorm(i, channels, 3) for i in (planes, *[channels] * (2 * blocks))])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x
