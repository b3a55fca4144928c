"""What verbs have in common: exit status, one JSON object or lines, words of a list."""

import json as json_format
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from countenance.errors import UsageError
from countenance.files import finite
from countenance.vocabulary import Action, Decision

Word = TypeVar("Word", bound=StrEnum)
ACCEPTED, REFUSED, WRONG = 0, 1, 2
DEFECT, INTERRUPTED = 70, 130


def printed(card: Mapping[str, object], *, wanted: bool) -> bool:
    """Print `card` as one JSON object when it is wanted, and say whether it was."""
    if wanted:
        print(json_format.dumps(finite(card), indent=2, allow_nan=False))
    return wanted


def among(kinds: type[Word], word: str, what: str) -> Word:
    """Return the member of `kinds` that `word` names.

    Raises:
        UsageError: there is none.
    """
    if word not in [str(kind) for kind in kinds]:
        raise UsageError(expected=f"{what}: {', '.join(kinds)}", came=repr(word), remedy="name one of them")
    return kinds(word)


def actions_of(words: str) -> tuple[Action, ...]:
    """Return actions that are divided by commas.

    Raises:
        UsageError: there is none, or no such action.
    """
    return tuple(among(Action, word.strip(), "actions, divided by commas") for word in words.split(","))


def decided(decision: Decision, names: Mapping[str, object], *, words: tuple[str, str], json: bool) -> int:
    """Print a decision, as JSON or in words, and return the exit status that says it.

    Args:
        decision: the answer.
        names: what else JSON holds.
        words: for yes, and for no.
        json: whether one JSON object is wanted.
    """
    card = {
        **names,
        "threshold": decision.threshold,
        "reasons": [str(reason) for reason in decision.reasons],
        "advice": [reason.advice for reason in decision.reasons],
        "model": decision.model,
    }
    if not printed(card, wanted=json):
        answer = words[0] if decision.accepted else words[1]
        print(f"{answer}: score {decision.score:.4f}, threshold {decision.threshold:.4f} ({decision.model})")
        for reason in decision.reasons:
            print(reason.advice)
    return ACCEPTED if decision.accepted else REFUSED
