"""The photographs that universal adversarial examples are crafted from and judged on: seeds, training, unseen people.

T. Amada, S. P. Liew, K. Kakizaki, T. Araki, Universal Adversarial Spoofing Attacks against Face Recognition, IJCB 2021,
Table 2. LFW: all photographs of View 1's training pairs (3,443, of which the 5 seeds are taken out, which leaves the
table's 3,438) and of its test pairs (1,549). VGGFace2: 2,000 people of its training part and 1,000 of its test part,
5 photographs each, and 10 seeds; the published test part has 500 people, so that the paper's 1,000 cannot be had from
it, and all 500 are taken. Which photographs are seeds the paper does not say; see `spread_seeds` for our rule.
"""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from countenance.datasets.identity_folders import walk_identities
from countenance.datasets.lfw import read_photographs
from countenance.datasets.samples import IdentitySample
from countenance.datasets.vggface2 import read as read_vggface2
from countenance.errors import ProtocolMismatch, UsageError, at_least

LFW_SEEDS, VGGFACE2_SEEDS = 5, 10  # section 4.1
VGGFACE2_PEOPLE: Mapping[str, int] = {"train": 2_000, "test": 500}  # section 4.1 asks for 1,000 of test's 500
PHOTOGRAPHS_OF_ONE = 5
_ANYBODY = re.compile(r".+")
_PHOTOGRAPH = re.compile(r".+_\d{4}\.jpg")


@dataclass(frozen=True)
class UniversalSets:
    """Three sets of photographs; nobody of `unseen` is in another one.

    Attributes:
        seeds: what is perturbed, each of somebody else of the training people.
        train: the training people's other photographs.
        unseen: photographs of other people.

    Raises:
        UsageError: no seed, or two of one person.
        ProtocolMismatch: fewer than two training people, nobody unseen, somebody on both sides, or a seed in `train`.
    """

    seeds: tuple[IdentitySample, ...]
    train: tuple[IdentitySample, ...]
    unseen: tuple[IdentitySample, ...]

    def __post_init__(self) -> None:
        seeds, train, unseen = (people_of(part) for part in (self.seeds, self.train, self.unseen))
        if not self.seeds or len(seeds) < len(self.seeds):
            came = f"{len(self.seeds)} photographs of {len(seeds)}"
            raise UsageError(expected="seeds of different people", came=came, remedy="name one of each")
        if len(train) < 2 or not unseen:
            raise ProtocolMismatch(
                expected="at least two training people, and others who are unseen",
                came=f"{len(train)} and {len(unseen)}",
                remedy="an example that matches one person is not universal: name a set of many people",
            )
        if shared := sorted((seeds | train) & unseen):
            raise ProtocolMismatch(
                expected="unseen people who are nobody of the training people",
                came=f"{len(shared)} on both sides, such as {shared[0]!r}",
                remedy="split by people, not by photographs",
            )
        if repeated := {seed.identifier for seed in self.seeds} & {sample.identifier for sample in self.train}:
            came = f"{min(repeated)!r} in both"
            raise ProtocolMismatch(expected="seeds outside the training set", came=came, remedy="take them out")


def people_of(samples: Collection[IdentitySample]) -> set[str]:
    """Return who is on the photographs."""
    return {sample.subject for sample in samples}


def spread_seeds(samples: Sequence[IdentitySample], count: int) -> tuple[IdentitySample, ...]:
    """Choose seeds by a rule that draws nothing: people spread evenly over the alphabet, the first photograph of each.

    Only people with two photographs or more can be chosen, so that a seed can still be compared with its own person.
    Of P such people in alphabetical order, seed k of K shows number floor((2 k + 1) P / (2 K)).

    Args:
        samples: the training people's photographs.
        count: K.

    Raises:
        UsageError: a count below 1, or more seeds than such people.
    """
    at_least(1, seeds=count)
    first: dict[str, IdentitySample] = {}
    many: set[str] = set()
    for sample in sorted(samples, key=lambda sample: sample.identifier):
        if sample.subject in first:
            many.add(sample.subject)
        first.setdefault(sample.subject, sample)
    people = sorted(many)
    if count > len(people):
        raise UsageError(
            expected=f"at most {len(people)} seeds, one of each training person with two photographs",
            came=str(count),
            remedy="ask for fewer",
        )
    return tuple(first[people[(2 * k + 1) * len(people) // (2 * count)]] for k in range(count))


def without(samples: Sequence[IdentitySample], seeds: Collection[IdentitySample]) -> tuple[IdentitySample, ...]:
    """Return the photographs that are no seeds."""
    names = {seed.identifier for seed in seeds}
    return tuple(sample for sample in samples if sample.identifier not in names)


def lfw_view_1(root: str | os.PathLike[str], *, seeds: int = LFW_SEEDS) -> UniversalSets:
    """Read the sets of Table 2 from LFW: View 1's training people without the seeds, and its test people.

    Args:
        root: as for `lfw.read_comparisons`.
        seeds: how many.

    Raises:
        MissingFile, ProtocolMismatch: as for `lfw.read_comparisons`; somebody is in both lists.
        UsageError: a number of seeds that cannot be had.
    """
    train = read_photographs(root, "train")
    chosen = spread_seeds(train, seeds)
    return UniversalSets(chosen, without(train, chosen), tuple(read_photographs(root, "development")))


def lfw_beside_view_1(root: str | os.PathLike[str]) -> list[IdentitySample]:
    """Read all photographs of LFW of people whom View 1 does not name: for a defender who must not know them.

    Args:
        root: as for `lfw.read_comparisons`; of View 2's photographs those count that are there.

    Raises:
        MissingFile, ProtocolMismatch: as for `lfw.read_comparisons`.
    """
    named = read_photographs(root, "view1")
    folder = named[0].path.parents[1]
    beside = frozenset(path.name for path in folder.iterdir() if path.is_file())
    known = people_of(named)
    found = walk_identities(folder, identity=_ANYBODY, picture=_PHOTOGRAPH, beside=beside).samples()
    return [sample for sample in found if sample.subject not in known]


def vggface2_sample(
    root: str | os.PathLike[str],
    *,
    seed: int,
    people: Mapping[str, int] = VGGFACE2_PEOPLE,
    seeds: int = VGGFACE2_SEEDS,
) -> UniversalSets:
    """Draw the sets of Table 2 from VGGFace2: people of each part and `PHOTOGRAPHS_OF_ONE` photographs of each.

    Seeds are chosen by `spread_seeds` among the photographs drawn, and taken out of the training set.

    Args:
        root: as for `vggface2.read`.
        seed: of the drawing.
        people: how many of "train" and of "test".
        seeds: how many.

    Raises:
        MissingFile, ProtocolMismatch: as for `vggface2.read`.
        UsageError: more people than there are with so many photographs, or a number of seeds that cannot be had.
    """
    train, unseen = (
        draw_people(read_vggface2(root, split), people[split], generator=np.random.default_rng([seed, number]))
        for number, split in enumerate(("train", "test"))
    )
    chosen = spread_seeds(train, seeds)
    return UniversalSets(chosen, without(train, chosen), unseen)


def draw_people(
    samples: Sequence[IdentitySample], people: int, *, generator: np.random.Generator, each: int = PHOTOGRAPHS_OF_ONE
) -> tuple[IdentitySample, ...]:
    """Draw people, and of each some photographs, without replacement; in the order of their names.

    Args:
        samples: to draw from.
        people: how many.
        generator: draws.
        each: photographs of one person; who has fewer is not drawn.

    Raises:
        UsageError: more people than there are with so many photographs.
    """
    at_least(1, people=people, photographs=each)
    by_person: dict[str, list[IdentitySample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.identifier):
        by_person.setdefault(sample.subject, []).append(sample)
    able = sorted(name for name, own in by_person.items() if len(own) >= each)
    if people > len(able):
        raise UsageError(
            expected=f"at most {len(able):,} people, who have {each} photographs",
            came=f"{people:,}",
            remedy="ask fewer",
        )
    drawn = [by_person[able[i]] for i in sorted(generator.choice(len(able), people, replace=False))]
    return tuple(own[i] for own in drawn for i in sorted(generator.choice(len(own), each, replace=False)))
