"""Does the interval of a model's gain hold, and what does a gain across steps mean?

    python scripts/study_response.py

Made-up agents: y = b z + trend + noise, x = z + trend + drift of its own answers; z is what a
reading's draw of posts adds, drawn anew for every reading. Prints the table of
docs/inference/response.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.measures.response import gain

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """One row: T steps, M readings, D dimensions, the size of the trend, and what is uneven."""

    T: int
    M: int
    D: int
    b: float
    trend: float = 0.0
    feedback: float = 0.0
    uneven: bool = False

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """x and y, (T, M, D).

        ``uneven``: readings spread less and less, as when A(t) fills up, and noise grows with the
        step and with the size of z. ``feedback``: the last step's answers stand in all that is
        read next.
        """
        fall = np.linspace(1.0, 0.2, self.T) if self.uneven else np.ones(self.T)
        z = fall[:, None, None] * rng.normal(size=(self.T, self.M, self.D))
        size = np.linalg.norm(z, axis=2, keepdims=True) / np.sqrt(self.D)
        noise = rng.standard_t(5, size=z.shape) * (0.3 + size if self.uneven else 0.7)
        trend = self.trend * np.linspace(-1, 1, self.T)[:, None, None] * np.ones(self.D)
        x, y = z + trend, self.b * z + trend + noise
        for t in range(1, self.T):
            echo = self.feedback * y[t - 1, 0]
            x[t] += echo
            y[t] += self.b * echo
        return x, y


SETTINGS = [
    Setting(T, M, D, b, trend=3.0, feedback=feedback, uneven=uneven)
    for T, M, D, b, feedback, uneven in [
        (61, 2, 1, 0.0, 0.0, False),
        (61, 2, 8, 0.3, 0.5, False),
        (61, 2, 8, 0.3, 0.5, True),
        (21, 4, 8, 0.3, 0.5, True),
        (21, 2, 1, 0.3, 0.5, True),
        (10, 4, 8, 0.3, 0.5, True),
        (6, 4, 8, 0.3, 0.5, False),
        (6, 4, 8, 0.3, 0.5, True),
        (6, 4, 1, 0.3, 0.5, True),
        (6, 2, 1, 0.3, 0.5, True),
        (4, 6, 8, 0.3, 0.5, True),
        (4, 6, 1, 0.3, 0.5, True),
        (3, 4, 1, 0.3, 0.5, True),
    ]
]


def study(setting: Setting, runs: int) -> tuple[float, float, float, float]:
    """Mean gain within steps, share of intervals that cover b, their width, mean across steps."""
    rng = seeding.generator(seeding.key(0, f"study_response {setting}"))
    found = []
    for _ in range(runs):
        x, y = setting.draw(rng)
        inside, pooled = gain(x, y), gain(x[:, 0], y[:, 0])
        covers = inside.low <= setting.b <= inside.high
        found.append((inside.gain, covers, inside.high - inside.low, pooled.gain))
    gains, covered, widths, pooled_gains = np.array(found).T
    return gains.mean(), covered.mean(), float(np.median(widths)), pooled_gains.mean()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Coverage of the interval of a gain.")
    parser.add_argument("--runs", type=int, default=2000, help="made-up runs a setting")
    runs = parser.parse_args().runs
    error = np.sqrt(0.05 * 0.95 / runs)
    print(f"{runs:,} runs a row; Monte Carlo error of a coverage of 95 %: {error:.1%}\n")
    print("| steps | M | D | uneven | feedback | b | gain within | covered | width | gain across |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for s in SETTINGS:
        within, covered, width, across = study(s, runs)
        print(
            f"| {s.T} | {s.M} | {s.D} | {'yes' if s.uneven else 'no'} | {s.feedback} | {s.b} "
            f"| {within:.3f} | {covered:.1%} | {width:.2f} | {across:.2f} |"
        )


if __name__ == "__main__":
    main()
