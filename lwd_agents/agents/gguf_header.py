"""The header of a GGUF file: enough to refuse a broken file in one line, before it is loaded.

Source: the GGUF specification, versions 2 and 3
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lwd_agents.errors import BadInput

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}
_SCALARS |= {10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MOST_BYTES = 1 << 27  # no string of a sound header is longer


@dataclass(frozen=True)
class GgufHeader:
    """What a run needs to know of a model file before it loads it."""

    architecture: str
    context_length: int  # tokens, as trained
    has_chat_template: bool


class _Broken(Exception):
    """The bytes are not those of a header."""


def _take(file: BinaryIO, form: str) -> Any:
    size = struct.calcsize(form)
    data = file.read(size)
    if len(data) < size:
        raise _Broken("it ends inside its header")
    return struct.unpack(form, data)[0]


def _text(file: BinaryIO) -> str:
    length = _take(file, "<Q")
    if length > _MOST_BYTES:
        raise _Broken("its header makes no sense")
    data = file.read(length)
    if len(data) < length:
        raise _Broken("it ends inside its header")
    return data.decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    """Read one value; an array is read over, and gives None."""
    if kind in _SCALARS:
        return _take(file, _SCALARS[kind])
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        raise _Broken("its header makes no sense")
    item, count = _take(file, "<I"), _take(file, "<Q")
    if item in _SCALARS:
        file.seek(count * struct.calcsize(_SCALARS[item]), 1)
    else:
        for _ in range(count):
            _value(file, item)
    return None


def _values(file: BinaryIO) -> dict[str, Any]:
    if file.read(4) != b"GGUF":
        raise _Broken("it does not begin with the letters GGUF")
    if (version := _take(file, "<I")) not in (2, 3):
        raise _Broken(f"its version is {version}, not 2 or 3")
    _tensors, count = _take(file, "<Q"), _take(file, "<Q")
    values = {}
    for _ in range(count):
        key = _text(file)
        values[key] = _value(file, _take(file, "<I"))
    return values


def read_header(path: Path) -> GgufHeader:
    """Read a model file's header.

    Raises BadInput, in one line with the file's path, where there is no such file, where it is
    not a GGUF file of a language model, or where it has no chat template.
    """
    try:
        with path.open("rb") as file:
            values = _values(file)
    except OSError as error:
        raise BadInput(f"model file {path}: {error.strerror or error}") from None
    except _Broken as error:
        raise BadInput(f"model file {path}: not a whole GGUF file ({error})") from None
    architecture = str(values.get("general.architecture"))
    context = values.get(f"{architecture}.context_length")
    if not isinstance(context, int) or context < 1:
        raise BadInput(
            f"model file {path}: no context length for its architecture {architecture!r}; "
            "a GGUF file of a language model has one"
        )
    return GgufHeader(architecture, context, bool(values.get("tokenizer.chat_template")))
