"""The Python snippets of the README, by their heading."""

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"


def snippet(heading: str, number: int = 0) -> str:
    """The n-th Python block below a heading."""
    section = README.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)[number]


def run_snippet(source: str, **replaced: str) -> dict[str, Any]:
    """Run a block with some of its text replaced, as a reader does with addresses."""
    for old, new in replaced.items():
        assert old in source, f"the README no longer says {old}"
        source = source.replace(old, new)
    names: dict[str, Any] = {}
    exec(compile(source, "README.md", "exec"), names)  # noqa: S102
    return names
