"""The command line: what the program is called with goes to a verb of `verbs`, whose answer is its exit status.

Exit status: 0 done or accepted, 1 refused by a decision verb, 2 wrong usage or wrong input with one line on stderr.
70 means a defect of ours, never a decision.
"""

import contextlib
import functools
import io
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any

import tyro

from countenance.errors import CountenanceError, UsageError
from countenance.verbs.answers import ACCEPTED, DEFECT, INTERRUPTED, WRONG
from countenance.verbs.attempts import authenticate, challenge
from countenance.verbs.exporting import export
from countenance.verbs.galleries import (
    attack_uax,
    enrol,
    forget,
    gallery_audit,
    gallery_export,
    gallery_list,
    identify,
    screen_calibrate,
)
from countenance.verbs.gate_files import policy_check, receipt_verify
from countenance.verbs.judging import check, explain, expression, verify
from countenance.verbs.making import datasets_check, demo, networks_list, synthesize, train
from countenance.verbs.measuring import bench, bench_gate, calibrate, evaluate, reproduce, score
from countenance.verbs.serving import keys_add, keys_list, keys_revoke, serve
from countenance.verbs.upkeep import (
    audit_verify,
    gallery_backup,
    gallery_purge,
    gallery_restore,
    gallery_rotate,
    keys_new_signing,
    keys_new_vault,
    keys_vault,
)
from countenance.verbs.weights import weights_list, weights_pull, weights_verify

VERBS: Mapping[str, Callable[..., int]] = {
    "demo": demo,
    "synthesize": synthesize,
    "datasets check": datasets_check,
    "check": check,
    "explain": explain,
    "verify": verify,
    "expression": expression,
    "identify": identify,
    "enrol": enrol,
    "challenge": challenge,
    "authenticate": authenticate,
    "forget": forget,
    "gallery list": gallery_list,
    "gallery audit": gallery_audit,
    "gallery export": gallery_export,
    "gallery backup": gallery_backup,
    "gallery restore": gallery_restore,
    "gallery rotate": gallery_rotate,
    "gallery purge": gallery_purge,
    "audit verify": audit_verify,
    "screen calibrate": screen_calibrate,
    "policy check": policy_check,
    "receipt verify": receipt_verify,
    "serve": serve,
    "keys add": keys_add,
    "keys list": keys_list,
    "keys revoke": keys_revoke,
    "keys vault": keys_vault,
    "keys new-vault": keys_new_vault,
    "keys new-signing": keys_new_signing,
    "train": train,
    "export": export,
    "score": score,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "reproduce": reproduce,
    "attack uax": attack_uax,
    "weights list": weights_list,
    "weights pull": weights_pull,
    "weights verify": weights_verify,
    "networks list": networks_list,
    "bench": bench,
    "bench gate": bench_gate,
}


def main(arguments: Sequence[str]) -> int:
    """Run one verb; return the exit status.

    Args:
        arguments: without the program's name.
    """
    if list(arguments) == ["--version"]:
        print(f"countenance {metadata.version('countenance')}")
        return ACCEPTED
    try:
        return _parsed(arguments)()
    except CountenanceError as error:
        print(f"countenance: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("countenance: interrupted; nothing was left half written", file=sys.stderr)
        return INTERRUPTED


def _parsed(arguments: Sequence[str]) -> Callable[[], int]:
    """Return the verb with its options bound.

    Raises:
        UsageError: what the parser says, in one line.
    """
    pair = " ".join(arguments[:2])
    words = [pair, *arguments[2:]] if pair in VERBS else list(arguments)  # "weights list" is one verb to the parser
    _refuse_twice(words)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            bound: Callable[[], int] = tyro.extras.subcommand_cli_from_dict(
                {name: _bound(verb) for name, verb in VERBS.items()},
                prog="countenance",
                description="Face authentication that holds up to attack, measured.",
                args=words,
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
            )
    except SystemExit as stopped:
        if stopped.code in {None, 0}:
            raise
        boxed = [re.sub("[─╭╮╰╯│]", " ", line).strip() for line in said.getvalue().splitlines()]
        told = " ".join(line for line in boxed if line).partition("For full helptext")[0]
        verb = words[0] if words and words[0] in VERBS else ""
        group = [name for name in VERBS if words and name.startswith(f"{words[0]} ")]
        raise UsageError(
            expected=f"arguments as in countenance {verb} --help" if verb else f"a verb: {', '.join(group or VERBS)}",
            came=told if verb else " ".join(words) or "nothing",
            remedy="see countenance --help",
        ) from None
    return bound


def _refuse_twice(words: Sequence[str]) -> None:
    """Refuse an option that is named twice, of which the parser would take the last in silence.

    Raises:
        UsageError: naming it.
    """
    options = [word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--") and len(word) > 2]
    if twice := next((option for option in options if options.count(option) > 1), None):
        raise UsageError(expected="each option once", came=f"{twice} twice", remedy="leave one of them out")


def _bound(verb: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """Make the parser bind a verb's options instead of running it."""

    @functools.wraps(verb)
    def bind(*values: Any, **options: Any) -> Callable[[], int]:
        return functools.partial(verb, *values, **options)

    return bind


def run() -> None:
    """The installed program."""
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        status = ACCEPTED
    except Exception:  # noqa: BLE001 - a crash must not leave with the status that means "refused"
        traceback.print_exc()
        print("countenance: this is a defect of ours; please report it with the lines above", file=sys.stderr)
        status = DEFECT
    sys.exit(status)
