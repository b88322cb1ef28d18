"""Numbers as the page's words have them."""

from __future__ import annotations

from math import log10

NONE = "\u2013"  # where there is no number
_RAISED = str.maketrans(
    "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)


def said(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """The number to so many digits, noughts at its end among them: 0.750, 1,234, 4.11×10⁻⁵.

    The minus sign is a true one; `signed` puts a plus sign before what is above zero.
    """
    if value is None:
        return NONE
    sign = "\u2212" if value < 0 else "+" if signed and value > 0 else ""
    return sign + _size(abs(value), digits)


def _size(size: float, digits: int) -> str:
    if size == 0:
        return "0"
    rounded = float(f"{size:.{digits - 1}e}")
    if 1e-4 <= rounded < 1e6:
        places = max(digits - 1 - int(log10(rounded) // 1), 0)
        return f"{size:,.{places}f}"
    front, power = f"{size:.{digits - 1}e}".split("e")
    return f"{front}\u00d710{str(int(power)).translate(_RAISED)}"
