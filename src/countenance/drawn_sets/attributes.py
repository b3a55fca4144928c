"""Skin tone, glasses, beard and age of the people of a drawn set: the world that drew them knows.

Nothing is read off a picture. A drawn person follows from the set's seed and the person's number, so that the
attributes are those that the picture was drawn with. Of an attack it is the person shown who is described, not the
attacker who wears the print.

The groups are ours: tones are cut where the drawn world's melanin has its thirds, nearly; ages likewise. They are
groups of drawn people, and a rate by group says how a network treats drawn faces, not people.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from countenance.datasets.drawn_card import DrawnCard
from countenance.drawn_sets.named import plan_named
from countenance.errors import ProtocolMismatch
from countenance.synthesis.identity import Beard, Identity, draw_identity

MEDIUM_FROM, DARK_FROM = 0.04, 0.09  # melanin, a volume fraction of the epidermis
MIDDLE_FROM, OLDER_FROM = 35, 50  # years


class Tone(StrEnum):
    """Of the skin, by its melanin."""

    LIGHT = "light"
    MEDIUM = "medium"
    DARK = "dark"


class AgeGroup(StrEnum):
    """Of a drawn person, 16 to 80 years old."""

    YOUNGER = "16 to 34"
    MIDDLE = "35 to 49"
    OLDER = "50 to 80"


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What groups of people are made by.

    Attributes:
        tone: of the skin.
        glasses: worn.
        beard: anything that grows on lip, chin or jaw, stubble too.
        age: of the person.
    """

    tone: Tone
    glasses: bool
    beard: bool
    age: AgeGroup

    @classmethod
    def of(cls, person: Identity) -> "Attributes":
        """Return the attributes of a drawn person."""
        melanin, years = person.pigment.melanin, person.years
        return cls(
            tone=Tone.DARK if melanin >= DARK_FROM else Tone.MEDIUM if melanin >= MEDIUM_FROM else Tone.LIGHT,
            glasses=person.glasses is not None,
            beard=person.beard is not Beard.NONE,
            age=AgeGroup.OLDER
            if years >= OLDER_FROM
            else AgeGroup.MIDDLE
            if years >= MIDDLE_FROM
            else AgeGroup.YOUNGER,
        )

    def as_groups(self) -> dict[str, str]:
        """Return the group by attribute, in words."""
        return {
            "skin tone": str(self.tone),
            "glasses": "yes" if self.glasses else "no",
            "beard": "yes" if self.beard else "no",
            "age": str(self.age),
        }


def attributes_of(card: DrawnCard, subjects: Iterable[str]) -> dict[str, Attributes]:
    """Return the attributes of subjects of a drawn set.

    Args:
        card: of the set.
        subjects: as the set's reader names them.

    Returns:
        In the order of the subjects, each once.

    Raises:
        UsageError: the card names a set or a number of people that is not drawn.
        ProtocolMismatch: a subject that is not one of the set's.
    """
    planned = plan_named(card.set, subjects=card.counts.get("subjects"), seed=card.seed, preset=card.preset)
    numbers = {clip.subject: clip.spec.subject for clip in planned.clips}
    found = {}
    for subject in dict.fromkeys(subjects):
        if subject not in numbers:
            raise ProtocolMismatch(
                expected=f"subjects of {card.set} drawn with seed {card.seed}",
                came=repr(subject),
                remedy="name the set that these scores are of",
            )
        found[subject] = Attributes.of(draw_identity(numbers[subject], root=card.seed))
    return found


def subjects_by_attribute(attributes: Mapping[str, Attributes]) -> dict[str, dict[str, str]]:
    """Turn attributes by subject into the group of each subject by attribute, as `protocols.attributes` takes them."""
    turned: dict[str, dict[str, str]] = {}
    for subject, each in attributes.items():
        for attribute, group in each.as_groups().items():
            turned.setdefault(attribute, {})[subject] = group
    return turned
