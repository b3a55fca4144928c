"""Verbs before the gate: a challenge is drawn, and a clip is judged as the answer to it."""

import sys
from pathlib import Path

from tyro.conf import Positional

from countenance.verbs.answers import ACCEPTED, REFUSED, actions_of, printed


def challenge(
    subject: Positional[str],
    *,
    steps: int = 2,
    without: str | None = None,
    policy: str = "rgb-clip",
    gallery: Path | None = None,
    json: bool = False,
) -> int:
    """Draw a challenge for a person: exit 0 and what is asked for, or 1 while the person is locked.

    A challenge that was drawn counts as a failure until it is answered well; five in three minutes lock for three.

    Args:
        subject: the name.
        steps: how many actions.
        without: actions that this person cannot do, such as blink,surprise.
        policy: by which the answer will be judged: rgb, rgb-clip, slim, sensors, drawn, or a JSON file.
        gallery: its folder, as for enrol.
        json: print one JSON object.
    """
    from countenance.gate.attempts import issue_challenge

    left_out = () if without is None else actions_of(without)
    done = issue_challenge(subject, folder=gallery, steps=steps, without=left_out, policy=policy)
    if not printed(done.as_json(), wanted=json):
        for reason in done.reasons:
            print(reason.advice)
        if done.session is not None:
            asked = done.session.state.challenge
            print(f"actions: {', '.join(asked.actions)}")
            for number, action in enumerate(asked.actions, start=1):
                print(f"{number}. {action.prompt}")
            print(f"nonce: {asked.nonce}")
            print(f"good for {asked.expires - asked.issued:g} seconds, once")
    return ACCEPTED if done.accepted else REFUSED


def authenticate(
    subject: Positional[str],
    clip: Positional[Path],
    *,
    infrared: Path | None = None,
    depth: Path | None = None,
    challenge: str | None = None,
    nonce: str | None = None,
    policy: str = "rgb-clip",
    expressions: str = "facelivenet-slim",
    receipt: Path | None = None,
    gallery: Path | None = None,
    json: bool = False,
) -> int:
    """Let a person in by a clip (exit 0) or not (exit 1), and say why not.

    Args:
        subject: the name that is claimed.
        clip: a recording of the person doing what was asked.
        infrared: what the infrared camera saw, frame for frame and of the same size: a video, or a folder of grey
            pictures of 8 bits, in the order of their names; the policy sensors asks for it and for depth.
        depth: likewise; nearer is brighter, 0 is no data.
        challenge: the actions that the clip was recorded for, in their order, such as happy,surprise, which it is when
            neither this nor a nonce is named; nothing was drawn then, so that the answer may have been made before.
        nonce: of the challenge that the clip answers, as countenance challenge drew it; it is good once.
        policy: rgb, rgb-clip, slim, sensors, drawn, or a JSON file; rgb-clip asks what one camera can tell of a clip.
        expressions: the network that reads them, or the folder of a run.
        receipt: a file that the signed decision is written to.
        gallery: its folder, as for enrol.
        json: print one JSON object.
    """
    from countenance.files import write_atomically
    from countenance.gate.attempts import authenticate as judge
    from countenance.gate.recordings import Recording

    asked = None if challenge is None else actions_of(challenge)
    recording = Recording(clip=clip, infrared=infrared, depth=depth)
    done = judge(
        subject, recording, folder=gallery, challenge=asked, nonce=nonce, policy=policy, expressions=expressions
    )
    written = None
    if receipt is not None and done.receipt is not None:
        written = str(write_atomically(receipt, done.receipt))
    key = None if done.public_key is None else str(done.public_key)
    if not printed({**done.as_json(), "receipt": written, "public_key": key}, wanted=json):
        print(f"{subject}: " + ("accepted" if done.accepted else "refused"))
        for reason in done.reasons:
            print(reason.advice)
        for outcome in () if done.decision is None else done.decision.outcomes:
            score = "" if outcome.score is None else f" {outcome.score:.4f}"
            least = "" if outcome.threshold is None else f", at least {outcome.threshold:.4f}"
            print(f"{outcome.check}: {outcome.status}{score}{least}", file=sys.stderr)
    return ACCEPTED if done.accepted else REFUSED
