"""Verbs about files of the gate, which need neither a network nor a database: a policy, and a receipt."""

from pathlib import Path

from tyro.conf import Positional

from countenance.verbs.answers import ACCEPTED, REFUSED, printed


def policy_check(policy: Positional[str], *, json: bool = False) -> int:
    """Tell whether a policy is deny-only: nothing that is missing, stale or failed may raise trust.

    Args:
        policy: a JSON file, or the name of a policy of this package: rgb, rgb-clip, slim, sensors, drawn.
        json: print one JSON object.
    """
    from countenance.policy import check_policy

    done = check_policy(policy)
    if not printed(done.as_json(), wanted=json):
        found = done.policy
        print(f"{found.name}, version {found.version}: " + ("deny-only" if done.valid else "not deny-only"))
        for reason in done.reasons:
            print(reason)
    return ACCEPTED if done.valid else REFUSED


def receipt_verify(
    receipt: Positional[Path],
    *,
    key: Path | None = None,
    frames: tuple[Path, ...] = (),
    infrared: tuple[Path, ...] = (),
    depth: tuple[Path, ...] = (),
    json: bool = False,
) -> int:
    """Tell whether a receipt is the gate's own and unchanged, offline.

    Args:
        receipt: the file, as the gate sent it.
        key: the gate's public key (PEM), from a source that you trust; without it no receipt is valid.
        frames: files of all frames of the session in their order, where they were kept.
        infrared: files of the plane that came with each frame, - for a frame that came without.
        depth: likewise.
        json: print one JSON object.
    """
    from countenance.receipts import verify_receipt_file

    done = verify_receipt_file(receipt, key=key, frames=frames, infrared=infrared, depth=depth)
    if not printed(done.as_json(), wanted=json):
        said = done.receipt
        print("valid" if done.valid else "not valid")
        for reason in done.reasons:
            print(reason)
        if done.valid and said is not None:
            decision = "accepted" if said.accepted else f"refused ({', '.join(said.reasons)})"
            print(f"session {said.session}: {decision}; signed with key {done.key}")
    return ACCEPTED if done.valid else REFUSED
