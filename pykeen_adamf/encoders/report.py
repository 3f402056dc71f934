"""What has been encoded, and what could not be."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .problems import Problem

__all__ = ["EncodingReport"]


@dataclasses.dataclass(frozen=True)
class EncodingReport:
    """The outcome of a run."""

    #: the path of the features
    output: Path

    #: the number of entities, with or without a vector
    num_entities: int

    #: the number of entities with a vector
    num_encoded: int

    #: the number of entities that an earlier, interrupted run has already done
    num_resumed: int

    #: the dimension of the vectors
    dim: int

    #: all inputs that could not be used, in the order of the entities
    problems: Sequence[Problem]

    #: what is stored beside the features
    provenance: Mapping[str, str]

    @property
    def num_missing(self) -> int:
        """Return the number of entities without a vector."""
        return self.num_entities - self.num_encoded

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary that can be stored as JSON."""
        return {**dataclasses.asdict(self), "output": str(self.output), "num_missing": self.num_missing}

    def write(self, path: str | Path) -> Path:
        """Write the whole report, with every problem, to a JSON file.

        :param path: The path of the file.
        :returns: The path.
        """
        path = Path(path)
        path.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def summarize(self, max_problems: int | None = None) -> str:
        """Return a text for people to read.

        :param max_problems: The number of problems to show. If ``None``, all of them.
        :returns: The text.
        """
        shown = self.problems[:max_problems]
        lines = [
            f"{self.num_entities:,} entities: {self.num_encoded:,} encoded with {self.dim:,} dimensions, "
            f"{self.num_missing:,} missing"
        ]
        if self.num_resumed:
            lines.append(f"{self.num_resumed:,} of them had been done by an earlier run")
        if self.problems:
            lines.append(f"{len(self.problems):,} inputs could not be used:")
            lines.extend(f"  {problem}" for problem in shown)
        if len(shown) < len(self.problems):
            lines.append(f"  ... and {len(self.problems) - len(shown):,} more")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summarize()
