"""The networks that FaceLiveNet's tables need, and what one call for a table works with.

Each network, or the ten of a cross-validation, is a member with a name and a folder of its own; tables share members,
and all share what the trunk sees of a face.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from countenance.datasets.ck_plus import NAME as CK_PLUS
from countenance.datasets.drawn_card import read_card
from countenance.datasets.fer2013 import NAME as FER2013
from countenance.datasets.oulu_casia import CODES as OULU_CODES
from countenance.datasets.oulu_casia import NAME as OULU_CASIA
from countenance.datasets.sfew import NAME as SFEW
from countenance.networks.facelivenet import SEVEN, BranchVariant
from countenance.progress import Say, unheard
from countenance.recipes.expression_faces import NamedFaces, boxes_file, read_faces
from countenance.recipes.facelivenet_expression import ExpressionRecipe
from countenance.released import detector
from countenance.trained_facelivenet import StatedFaceLiveNet, stated_stage_1
from countenance.vocabulary import Expression

SIX = tuple(OULU_CODES.values())
EIGHT = tuple(Expression)

FER_RECIPE = ExpressionRecipe()
"""Of FER2013, alone and with SFEW."""
FEW_RECIPE = ExpressionRecipe(epochs=15, norm_momentum=0.1)
"""Of the sets of a few hundred faces, whose statistics the normalisations must reach in few steps."""

FOLDED = (CK_PLUS, OULU_CASIA)
"""Sets that are judged by ten folds."""
_MAPS = "maps"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One network, or the ten of a cross-validation.

    Attributes:
        name: of its row in table V.
        sets: to learn from; the first one is reported on.
        expressions: to tell apart.
        variant: of branch 2.
    """

    name: str
    sets: tuple[str, ...]
    expressions: tuple[Expression, ...]
    variant: BranchVariant = BranchVariant.BLOCK5_X2

    @property
    def folder(self) -> str:
        """Of its own, among the others."""
        return file_name(f"{self.name} {self.variant}")

    @property
    def is_folded(self) -> bool:
        """Whether it is judged by ten folds."""
        return self.sets[0] in FOLDED

    @property
    def recipe(self) -> ExpressionRecipe:
        """What trains it."""
        own = FER_RECIPE if FER2013 in self.sets else FEW_RECIPE
        return replace(own, expressions=self.expressions, variant=self.variant)


CK_SIX = Member(name="ck-plus, six expressions", sets=(CK_PLUS,), expressions=SIX)
CK_EIGHT = Member(name="ck-plus, eight expressions", sets=(CK_PLUS,), expressions=EIGHT)
OULU_SIX = Member(name="oulu-casia", sets=(OULU_CASIA,), expressions=SIX)
MEMBERS = (
    CK_SIX,
    CK_EIGHT,
    OULU_SIX,
    Member(name="sfew", sets=(SFEW,), expressions=SEVEN),
    Member(name="sfew, taught by fer2013 too", sets=(SFEW, FER2013), expressions=SEVEN),
    Member(name="fer2013", sets=(FER2013,), expressions=SEVEN),
)
"""The rows of table V."""


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """What one call works with.

    Attributes:
        sets: the root of each set that was named.
        out: folder of all members.
        initial: the first stage, as `trained_facelivenet.stage_1` takes it.
        only_done: whether nothing more is trained.
        say: called with a line before each part.
    """

    sets: Mapping[str, Path]
    out: Path
    initial: str
    only_done: bool = False
    say: Say = unheard

    @property
    def maps(self) -> Path:
        """Where what the trunk sees is kept."""
        return self.out / _MAPS

    @cached_property
    def start(self) -> StatedFaceLiveNet:
        """The first stage."""
        return stated_stage_1(self.initial)

    def faces(self, name: str) -> NamedFaces:
        """Read the faces of a set that was named."""
        place = boxes_file(self.maps, name)
        return read_faces(name, self.sets[name], boxes=place, detector=detector, say=self.say)

    def data(self, names: Sequence[str]) -> str:
        """Name sets as a command line does."""
        return ",".join(f"{name}:{self.sets[name]}" for name in names)

    def told(self, names: Sequence[str], *, label: str, without_face: int) -> str:
        """Say what figures are of, how many photographs were left out, and whose first stage it was."""
        sets = told_of({name: self.sets[name] for name in names})
        if without_face:
            sets = f"{sets}; without a face and left out: {without_face:,}"
        return f"{sets}; first stage {self.initial}" + (f" ({label})" if label and label not in sets else "")


def told_of(sets: Mapping[str, Path]) -> str:
    """Say what figures from sets are of: drawn ones are said to be drawn."""
    cards = {name: read_card(root, set_name=name) for name, root in sets.items()}
    return ", ".join(name if card is None else card.told for name, card in cards.items())


def file_name(words: str) -> str:
    """Return words as a file is called.

    >>> file_name("ck-plus, six expressions block5 x2 + block4")
    'ck-plus-six-expressions-block5-x2-block4'
    """
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
