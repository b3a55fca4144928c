"""Verbs about published weights: which there are, fetch them, look whether they are whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from countenance.errors import DigestMismatch, UsageError
from countenance.verbs.answers import ACCEPTED, printed

if TYPE_CHECKING:
    from countenance.weights import WeightStatus


def weights_list(*, json: bool = False) -> int:
    """List the weights that can be pulled, and which of them are here.

    Args:
        json: print one JSON object.
    """
    from countenance.weights import statuses

    return _print_weights(statuses(), json=json)


def weights_pull(names: Positional[tuple[str, ...]], *, mirror: Path | None = None, json: bool = False) -> int:
    """Fetch weights, check their digests and keep them.

    Args:
        names: of weights, as the list prints them.
        mirror: a folder to look in first.
        json: print one JSON object.
    """
    from countenance.console import speaker
    from countenance.weights import pull

    if not names:
        raise UsageError(expected="names of weights", came="none", remedy="see: countenance weights list")
    say = speaker("weights", quiet=json)
    pulled = [
        {"name": name, "file": key, "path": str(path)}
        for name in names
        for key, path in pull(name, mirror=mirror, progress=say).items()
    ]
    if not printed({"weights": pulled}, wanted=json):
        for row in pulled:
            print(f"{row['file']}: {row['path']}")
    return ACCEPTED


def weights_verify(*, json: bool = False) -> int:
    """Check the digests of all weights that are here; exit 2 when one is damaged.

    Args:
        json: print one JSON object.
    """
    from countenance.weights import verify as verify_all

    return _print_weights(verify_all(), json=json)


def _print_weights(found: Sequence["WeightStatus"], *, json: bool) -> int:
    from countenance.console import print_table
    from countenance.weights import WeightState, record

    keys = ("name", "file", "state", "source", "licence", "path")
    rows = [
        {
            "name": status.name,
            "file": status.key,
            "state": str(status.state),
            "source": str(record(status.name).source),
            "licence": record(status.name).licence_weights,
            "path": str(status.path),
        }
        for status in found
    ]
    damaged = [f"{status.name} ({status.path})" for status in found if status.state is WeightState.DAMAGED]
    if damaged:
        raise DigestMismatch(
            expected="weights as published", came=f"damaged: {', '.join(damaged)}", remedy="pull them again"
        )
    if not printed({"weights": rows}, wanted=json):
        print_table(keys, ([row[key] for key in keys] for row in rows))
    return ACCEPTED
