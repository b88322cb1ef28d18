"""Build the wheel and check what is in it; then install it and use it away from the checkout.

    python scripts/check_wheel.py

Exits with 1 and says what is wrong. Needs hatchling, which the extra ``dev`` brings.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASSETS = "lwd_agents/report/page/assets/"
FOLDERS = {"prompts": "prompts", "stores": "stores", "scripts/experiments": "experiments"}


def tracked(folder: str) -> set[str]:
    """The files of a folder that belong to the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.split("\n") if name}


def expected() -> set[str]:
    """The names that the wheel must hold besides its metadata."""
    names = {name for name in tracked("lwd_agents") if not name.endswith(".tmp")}
    for folder, place in FOLDERS.items():
        names |= {name.replace(folder, f"lwd_agents/_data/{place}", 1) for name in tracked(folder)}
    return names


def build(into: Path) -> Path:
    """The wheel, built by hatchling in this environment."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (wheel,) = into.glob("*.whl")
    return wheel


def check(wheel: Path, unpacked: Path) -> list[str]:
    """What is wrong with the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(unpacked)
    wrong = [f"missing: {name}" for name in sorted(expected() - names)]
    wrong += [f"should not be there: {name}" for name in sorted(names - expected())]
    top = {name.split("/")[0] for name in names}
    if top != {"lwd_agents"}:
        wrong.append(f"top level of the wheel: {sorted(top)}")
    if not any(name.endswith(".gguf") for name in names):
        wrong.append("no pocket models in it")
    for kind in (".css", ".js"):  # without them a page is bare
        if not any(name.startswith(ASSETS) and name.endswith(kind) for name in names):
            wrong.append(f"no {kind} files of the page in it")
    return wrong


def use(unpacked: Path) -> None:
    """Run the installed command from an empty folder, without the checkout on the path."""
    code = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r}); import lwd_agents; "
        f"assert lwd_agents.__file__.startswith({str(unpacked)!r}), lwd_agents.__file__; "
        "from lwd_agents import resources; "
        "assert 'pocket' in resources.names('experiments'); "
        "run = lwd_agents.run(steps=1, draws=2); assert len(run) == 2; "
        "made = lwd_agents.page(run.path); assert made.page.stat().st_size == made.size > 1e6; "
        "import importlib.util; "
        "assert all(importlib.util.find_spec(n) is None for n in ('prompts', 'stores'))"
    )
    with tempfile.TemporaryDirectory() as empty:
        subprocess.run([sys.executable, "-P", "-c", code], cwd=empty, check=True)


def main() -> None:
    """Build, check, use."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        unpacked = Path(folder) / "unpacked"
        wrong = check(wheel, unpacked)
        if wrong:
            sys.exit("\n".join([f"{wheel.name}:", *wrong]))
        use(unpacked)
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, its contents are right")


if __name__ == "__main__":
    main()
