"""Key-value caches of draws side by side: one prompt's, repeated, with room for the answers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

_SCRATCH = 32  # bytes for each entry of a draw's distribution: logits, exponentials, sums


class RoomLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One attention layer's keys and values, with room for the tokens to come.

    transformers' own layer is copied whole for every new token, which costs the time of the copy
    and twice the layer's memory; this one is written in place. ``keys`` and ``values`` are views
    of the part that is filled, (rows, heads, length, width).

    Args:
        layer: the layer after the prompt, of one row.
        rows: how many draws go side by side.
        room: tokens of prompt and answer together.
    """

    def __init__(self, layer: DynamicLayer, rows: int, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        assert layer.keys is not None
        assert layer.values is not None
        self.dtype, self.device, self.is_initialized = layer.dtype, layer.device, True
        self._keys = _repeated(layer.keys, rows, room)
        self._values = _repeated(layer.values, rows, room)
        self._show(layer.keys.shape[2])

    def _show(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self._keys[:, :, :length], self._values[:, :, :length]
        self.keys, self.values = keys, values
        return keys, values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new tokens behind the others; returns all keys and values, as the base class."""
        start = self.get_seq_length()
        end = start + key_states.shape[2]
        assert end <= self._keys.shape[2], "the room is for prompt and answer"
        self._keys[:, :, start:end] = key_states
        self._values[:, :, start:end] = value_states
        return self._show(end)

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Keep the rows ``beam_idx`` (on the processor); only rows that change place are moved."""
        moved = (beam_idx != torch.arange(len(beam_idx))).nonzero()[:, 0]
        length = self.get_seq_length()
        to, source = moved.to(self.device), beam_idx[moved].to(self.device)
        for name in ("_keys", "_values"):
            whole = getattr(self, name)
            if len(moved):
                whole[to, :, :length] = whole[source, :, :length]
            setattr(self, name, whole[: len(beam_idx)])
        self._show(length)


def _repeated(states: torch.Tensor, rows: int, room: int) -> torch.Tensor:
    """(1, heads, length, width) to (rows, heads, room, width), filled as far as the prompt goes."""
    _, heads, length, width = states.shape
    whole = states.new_empty((rows, heads, room, width))
    whole[:, :, :length] = states
    return whole


def repeat_cache(cache: Any, rows: int, room: int) -> Any:
    """A prompt's cache for ``rows`` draws of ``room`` tokens; the prompt's own stays as it is.

    Layers of other kinds (sliding windows, recurrent states) are transformers' own.
    """
    repeated = copy.copy(cache)
    repeated.layers = [_repeat_layer(layer, rows, room) for layer in cache.layers]
    return repeated


def _repeat_layer(layer: Any, rows: int, room: int) -> Any:
    if type(layer) is DynamicLayer and layer.is_initialized:
        return RoomLayer(layer, rows, room)
    own = copy.deepcopy(layer)
    own.reorder_cache(torch.zeros(rows, dtype=torch.long))
    return own


def keep_rows(cache: Any, order: Sequence[int]) -> None:
    """Let row i of the batch be what row ``order[i]`` was; the others leave."""
    index = torch.tensor(order, dtype=torch.long)
    for layer in cache.layers:
        layer.reorder_cache(index)


def still_open(ended: Sequence[bool]) -> list[int]:
    """The rows that have not ended, in an order in which as few as possible change place.

    Rows beyond the new size fill the places of those that leave.
    """
    stay = [row for row, end in enumerate(ended) if not end]
    late = [row for row in stay if row >= len(stay)]
    return [late.pop() if ended[row] else row for row in range(len(stay))]


def cache_bytes(cache: Any) -> int:
    """Bytes of all tensors that a cache holds."""
    return sum(_bytes(vars(layer).values()) for layer in cache.layers)


def _bytes(values: Iterable[Any]) -> int:
    total = 0
    for value in values:
        if isinstance(value, torch.Tensor):
            total += value.nbytes
        elif isinstance(value, dict | list | tuple):
            total += _bytes(value.values() if isinstance(value, dict) else value)
    return total


def bytes_per_draw(filled: int, prompt: int, new: int, vocabulary: int) -> int:
    """Memory that one more draw takes beside the others, in bytes.

    ``filled`` is what the cache holds after the prompt (``cache_bytes``); ``prompt`` and ``new``
    are tokens. A window or a recurrent state grows less: then this is more than is needed.
    """
    return -(-filled * (prompt + new) // prompt) + _SCRATCH * vocabulary


def side_by_side(n: int, per_draw: int, budget: int) -> int:
    """How many of n draws go at once so that they fit ``budget`` bytes, at least one.

    The chunks are as even as can be: 41 draws of which 40 fit are drawn as 21 and 20.
    """
    most = min(n, max(1, budget // per_draw))
    return -(-n // -(-n // most))
