"""A pair set's sample: two files and whether they show one person."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Comparison:
    """One comparison of a verification protocol.

    Attributes:
        identifier: unique name of the comparison.
        reference: the photograph that stands for the enrolled person.
        probe: the photograph that claims to be that person.
        is_mated: True when both show the same person.
        fold: cross-validation fold, or "".
    """

    identifier: str
    reference: Path
    probe: Path
    is_mated: bool
    fold: str
