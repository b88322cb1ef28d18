"""A small Llama in plain torch, made to train many answers behind one reading.

RMS norm, rotary positions, SwiGLU: what llama.cpp runs as architecture ``llama``. A forward pass
takes R prompts and, behind each, K answers. The prompt's attention is causal; an answer sees the
whole prompt and itself, never another answer, and its positions begin where the prompt ends: what
llama.cpp's slots do when many draws share one prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the model; ``length`` is the longest prompt and answer together, in tokens."""

    vocabulary: int = 2048
    width: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 352
    length: int = 2304
    epsilon: float = 1e-5
    theta: float = 10_000.0


class Layer(nn.Module):
    """One block: attention and a gated feed-forward, each behind an RMS norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.attn_norm = nn.RMSNorm(width, eps=shape.epsilon)
        self.ffn_norm = nn.RMSNorm(width, eps=shape.epsilon)
        self.attn_q = nn.Linear(width, width, bias=False)
        self.attn_k = nn.Linear(width, width, bias=False)
        self.attn_v = nn.Linear(width, width, bias=False)
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_gate = nn.Linear(width, shape.inner, bias=False)
        self.ffn_up = nn.Linear(width, shape.inner, bias=False)
        self.ffn_down = nn.Linear(shape.inner, width, bias=False)

    def heads_of(self, x: Tensor, turn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (R, heads, S, head width); x: (R, S, width)."""
        normed = self.attn_norm(x)
        parts = [
            layer(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.attn_q, self.attn_k, self.attn_v)
        ]
        return rotate(parts[0], turn), rotate(parts[1], turn), parts[2]

    def close(self, x: Tensor, attended: Tensor) -> Tensor:
        """The block's output; attended: (R, heads, S, head width)."""
        x = x + self.attn_output(attended.transpose(1, 2).flatten(-2))
        normed = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(normed)) * self.ffn_up(normed))


class Llama(nn.Module):
    """The model; ``forward`` gives the hidden states before the output layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.output = nn.Linear(shape.width, shape.vocabulary, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                inside = name.startswith("blk")
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5 if inside else 0.1)
        nn.init.normal_(self.output.weight, std=0.02)

    def forward(
        self, prompts: Tensor, sizes: Tensor, answers: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Hidden states of prompts and answers.

        Args:
            prompts: (R, P) ids, padded at the end.
            sizes: (R,) tokens of each prompt.
            answers: (R, K, A) ids, padded at the end; None for prompts alone.

        Returns:
            (R, P, width) and (R, K, A, width).
        """
        positions = torch.arange(prompts.shape[1], device=prompts.device)[None]
        turn = self._turns(positions)
        x = self.token_embd(prompts)
        y, later, unseen = None, None, None
        if answers is not None:
            steps = torch.arange(answers.shape[2], device=prompts.device)
            later = self._turns((sizes[:, None, None] + steps).expand(answers.shape).flatten(1))
            y = self.token_embd(answers.flatten(1))
            unseen = positions >= sizes[:, None]
        for layer in self.blk:
            q, k, v = layer.heads_of(x, turn)
            if y is not None:
                own = layer.heads_of(y, later)
                y = layer.close(y, _beside(own, k, v, unseen, answers.shape[1]))
            x = layer.close(x, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        out = None if y is None else self.output_norm(y).unflatten(1, answers.shape[1:])
        return self.output_norm(x), out

    def _turns(self, positions: Tensor) -> Tensor:
        """Rotations as complex numbers, (R, 1, S, head width / 2); positions: (R, S)."""
        half = self.shape.width // self.shape.heads // 2
        powers = torch.arange(half, device=positions.device, dtype=torch.float32) / half
        angles = positions[:, None, :, None] * self.shape.theta**-powers
        return torch.polar(torch.ones_like(angles), angles)


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Turn neighbouring pairs of each head, as GGML's normal rotary embedding does."""
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turn).flatten(-2)


def _beside(
    own: tuple[Tensor, Tensor, Tensor], k: Tensor, v: Tensor, unseen: Tensor, answers: int
) -> Tensor:
    """Attention of K answers over their prompt and themselves.

    Args:
        own: queries, keys and values of the answers, (R, heads, K * A, head width).
        k, v: keys and values of the prompts, (R, heads, P, head width).
        unseen: (R, P), the padding of the prompts.
        answers: K.

    Returns:
        (R, heads, K * A, head width).
    """
    q, k_own, v_own = (part.unflatten(2, (answers, -1)) for part in own)
    scale = q.shape[-1] ** -0.5
    size = q.shape[3]
    to_prompt = (own[0] @ k.transpose(-1, -2)).masked_fill(unseen[:, None, None], -torch.inf)
    to_own = q @ k_own.transpose(-1, -2)
    ahead = torch.ones(size, size, dtype=torch.bool, device=q.device).triu(1)
    to_own = to_own.masked_fill(ahead, -torch.inf).flatten(2, 3)
    weights = (torch.cat([to_prompt, to_own], dim=-1) * scale).softmax(dim=-1)
    prompt, mine = weights.split([k.shape[2], size], dim=-1)
    within = (mine.unflatten(2, (answers, size)) @ v_own).flatten(2, 3)
    return prompt @ v + within
