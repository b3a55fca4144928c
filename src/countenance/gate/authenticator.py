"""The gate itself: frames of a person who claims a name go in, and one decision comes out.

Of each frame one face is found and measured once, and every network is shown its own cut of it. A frame that cannot be
judged (no face, two, too dark, blurred) gives advice and adds nothing; what is judged adds scores to the session:

- presentation: P(bona fide) of each judged frame. The lower of two means counts, over all judged frames and over the
  key frames, those by which the challenge advanced.
- presentation_clip: windows of five frames in 0.4 s, back to back; their mean counts, as of a clip. Where a policy asks
  for it, the challenge advances only on frames within a second of a judged window, so that none of it is shown where no
  window looks; a camera slower than 10 frames a second gets nowhere.
- presentation_sensors: as presentation, and every judged frame must have come with all planes.
- verification: the cosine to the centre of the references, made as long as a template. With one reference it is that
  one; of several, the cosines of strangers are spread about it as about one, so that the threshold of a comparison
  keeps its false match rate, which the best of K would multiply by up to K. The lowest of the key frames counts, at the
  policy's own threshold: a smile or a turned head lowers the cosine, and whoever changes places in between is on one.
- same_face: the lowest cosine of all judged frames to the first one.
- quality: enough judged frames, and a second person in no more than a tenth of them.

The policy alone turns that into an answer. Frames that were used before prove nothing: no check passes on them. Whoever
drops a frame, a sensor or a network can lose by it and never win, with one limit that every gate has: of the very frame
that spoke against somebody, where it is never sent, nothing is known.
"""

import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from countenance.admission import Admission
from countenance.challenge import (
    ChallengeOutcome,
    ChallengeRules,
    ChallengeState,
    Observation,
    Phase,
    close,
    draw_again,
    draw_challenge,
    observe,
)
from countenance.challenge import begin as begin_challenge
from countenance.errors import (
    ChallengeExpired,
    ManyFaces,
    NoFace,
    OutOfOrder,
    TemplateVersion,
    UsageError,
    WrongModality,
    at_least,
)
from countenance.faces.detection import Face, only_face, rgb_image
from countenance.faces.eyes import EyeBaseline, eye_contrast
from countenance.faces.pose import HeadPose
from countenance.faces.quality import QualityLimits, advice, measure_quality
from countenance.gallery import Gallery
from countenance.gate.enrolling import EnrolmentRules, admit_photographs, compare_photographs, recogniser_name
from countenance.gate.networks import EXPRESSIVE, Networks
from countenance.gate.recordings import Recording
from countenance.gate.session import Feedback, Frame, GateDecision, Recent, SeenFrame, Session, Tally
from countenance.images import ImageLimits, read_image, read_plane
from countenance.loading.aligned_sensors import why_empty
from countenance.loading.clip_windows import (
    CROWDED_SHARE,
    FRAMES,
    SPAN,
    cut_square,
    cut_windows,
    frames_at_ticks,
    square_box,
    window_frames,
)
from countenance.policy import CheckKind, CheckRule, Outcome, Policy, Status, decide, find_counter_example
from countenance.receipts import chain, start_chain
from countenance.transforms.resizing import resized
from countenance.vault import Vault, context_of
from countenance.vocabulary import Action, Decision, Modality, Reason

LEAST_FRAMES = 4  # two at rest and two of an action: a challenge of one step cannot do with fewer
COVER_SECONDS = 1.0
"""How old the newest judged window may be for a frame to count for the challenge, where the policy asks for windows."""
DONE_PROMPT = "Thank you; that is all."
FRAME_LIMITS = ImageLimits(bytes=8 * 2**20, pixels=10_000_000)
CLIP_RATE = 10.0
"""Frames a second of a clip that are judged: what a window for a network of clips needs."""
_IDENTIFIER_BYTES = 16
_AFTER = 1e-3  # seconds from the challenge to the first frame of a clip
_EARLY = 0.25  # of the time between two frames, by which one may come too early
_TURNS = frozenset({Action.TURN_LEFT, Action.TURN_RIGHT})

Templates = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shown:
    """One frame that shows one face well enough."""

    frame: Frame
    pixels: Pixels
    planes: Mapping[Modality, Pixels]
    face: Face
    pose: HeadPose


class Authenticator:
    """A gate: a policy, the networks that it names, and the rules of its challenges. It keeps nothing between calls.

    Several threads may share it as far as its networks allow that: PyTorch's and ONNX Runtime's do, and YuNet lets one
    in at a time.

    Args:
        policy: decides.
        networks: that are asked; a check whose network is not among them goes without a score, and is missing.
        rules: of the challenges.
        vault: seals a session's anchor; without one it stays in `Recent`.
        limits: of a frame's quality; the shipped ones for None.
        frame_limits: of a frame as a file.
        least_frames: that must be judged.
        enrolment: what photographs of a new person are asked for.

    Raises:
        UsageError: a policy that is not deny-only, or that asks two recognisers for one thing; challenges that ask for
            an expression without a network to read it; `least_frames` below 1.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        networks: Networks,
        rules: ChallengeRules,
        vault: Vault | None = None,
        limits: QualityLimits | None = None,
        frame_limits: ImageLimits = FRAME_LIMITS,
        least_frames: int = LEAST_FRAMES,
        enrolment: EnrolmentRules | None = None,
    ) -> None:
        at_least(1, least_frames=least_frames)
        found = find_counter_example(policy)
        if found is not None:
            raise UsageError(expected="a deny-only policy", came=found.words, remedy="countenance policy check FILE")
        if EXPRESSIVE & set(rules.actions) and networks.expressions is None:
            raise UsageError(
                expected="a network of expressions, since challenges ask for one",
                came="none",
                remedy="name one, or leave happy and surprise out of the actions",
            )
        self.policy, self.networks, self.rules, self.vault = policy, networks, rules, vault
        self._limits, self._frame_limits, self._least_frames = limits, frame_limits, least_frames
        self._enrolment = EnrolmentRules() if enrolment is None else enrolment
        self._knows = _one_network(policy, CheckKind.VERIFICATION)
        self._compares = _one_network(policy, CheckKind.SAME_FACE)
        self._digest = policy.digest
        self._windowed = [rule for rule in policy.checks if rule.kind is CheckKind.PRESENTATION_CLIP]

    @property
    def model(self) -> str:
        """Name of the recogniser that references must come from."""
        return recogniser_name(self.policy)

    @property
    def weights(self) -> str:
        """Digest of its weights, by which the store knows templates; "" where it was not built."""
        return self.networks.digests.get(self.model, "")

    def begin(
        self,
        subject: str,
        *,
        now: float,
        random: Callable[[int], bytes],
        without: Iterable[Action] = frozenset(),
        actions: Sequence[Action] | None = None,
    ) -> Session:
        """Begin a session, with a challenge drawn for it.

        Args:
            subject: the name that is claimed.
            now: seconds since the epoch.
            random: returns that many random bytes; `secrets.token_bytes` in use.
            without: actions that this person cannot do.
            actions: what is asked for, in this order, instead of what is drawn: for clips that were recorded to order.
                A gate that faces strangers leaves it out.

        Raises:
            UsageError: as for `draw_challenge`; actions that the rules do not have, or one twice.
        """
        rules = self.rules if actions is None else _asking(self.rules, actions)
        challenge = draw_challenge(rules, random=random, now=now, without=without)
        if actions is not None:
            challenge = replace(challenge, actions=tuple(actions))
        return self._begun(random(_IDENTIFIER_BYTES).hex(), subject, begin_challenge(challenge))

    def again(
        self,
        session: Session,
        *,
        now: float,
        random: Callable[[int], bytes],
        without: Iterable[Action] = frozenset(),
    ) -> Session:
        """Begin the next attempt of a session whose challenge was refused; nothing of the last one is kept.

        Raises:
            ChallengeReplayed, UsageError: as for `draw_again`.
        """
        challenge = draw_again(session.state, random=random, now=now, without=without)
        return self._begun(session.identifier, session.subject, begin_challenge(challenge))

    def look(
        self, session: Session, frame: Frame, references: Templates | None, *, recent: Recent | None = None
    ) -> tuple[Session, Feedback]:
        """Take one more frame; after the end of an attempt nothing is taken any more.

        Args:
            session: as the last call returned it.
            frame: later than the one before.
            references: (K, D) templates of the claimed name, of `recogniser`, rows of length 1; None or none at all:
                nothing is verified, and nobody accepted.
            recent: what this process remembers of the session; None: nothing.

        Returns:
            The session with what was seen, and what to tell the person.

        Raises:
            InputError: the bytes are no picture, or a too large one; planes of another size or kind than the picture,
                whether the policy asks for them or not.
            OutOfOrder: the frame is not later than the one before, or than the challenge.
            ChallengeExpired: the session was begun under another policy.
            TemplateVersion: references of another length.
        """
        self._refuse_other_policy(session)
        if not session.is_open:
            return session, _feedback(session, ())
        if frame.seconds >= session.expires:
            late = observe(session.state, Observation(seconds=frame.seconds))
            return replace(session, state=late), _feedback(replace(session, state=late), (Reason.TOO_LATE,))
        newest = session.state.challenge.issued if session.seconds is None else session.seconds
        if not frame.seconds > newest:
            raise OutOfOrder(
                expected="a frame after the one before",
                came=f"one {newest - frame.seconds:g} s before it",
                remedy="pass the times at which frames came in, by one clock",
            )
        pixels = self._pixels(frame)
        planes = {
            modality: _plane(part, modality, pixels.shape, self._frame_limits)
            for modality, part in frame.planes.items()
        }
        seen = replace(
            session, frames=session.frames + 1, seconds=frame.seconds, head=chain(session.head, frame.content)
        )
        shown, told = self._shown(seen, frame, pixels, planes)
        if shown is None or told:
            if recent is not None:
                recent.break_off()
            counted = Counter(dict(seen.unjudged)) + Counter(told[:1])
            seen = replace(seen, unjudged=dict(counted), state=self._astray(seen.state, shown))
            return seen, _feedback(seen, told)
        seen = self._judged(seen, shown, references, recent)
        return seen, _feedback(seen, ())

    def conclude(self, session: Session, *, now: float, seen_before: int = 0) -> GateDecision:
        """Decide on a session; what was not shown by now will not be.

        Args:
            session: as the last call returned it.
            now: seconds since the epoch.
            seen_before: how many of its frames were seen in another session.

        Raises:
            ChallengeExpired: the session was begun under another policy.
            OutOfOrder: `now` is before the newest frame.
        """
        self._refuse_other_policy(session)
        newest = session.state.challenge.issued if session.seconds is None else session.seconds
        if not now >= newest:
            raise OutOfOrder(
                expected="an end after the last frame", came=f"{newest - now:g} s before it", remedy="use one clock"
            )
        ended = replace(session, state=close(session.state, now=now))
        outcomes = [self._outcome(rule, ended) for rule in self.policy.checks]
        if seen_before:
            outcomes = [replace(each, status=Status.FAILED, reasons=(Reason.USED_BEFORE,)) for each in outcomes]
        verdict = decide(self.policy, outcomes, now=now)
        labels = (self.policy.label, *self.networks.label.split(", "))
        return GateDecision(
            session=session.identifier,
            accepted=verdict.accepted,
            reasons=verdict.reasons,
            outcomes=verdict.outcomes,
            policy=f"{self.policy.name} {self.policy.version}",
            policy_digest=self._digest,
            models=dict(self.networks.digests),
            label=", ".join(dict.fromkeys(label for label in labels if label)),
            frames=session.frames,
            judged=session.judged,
            head=session.head.hex(),
        )

    def admit(self, photographs: Sequence[Pixels], others: Gallery) -> tuple[Templates, Admission]:
        """Return a template of each photograph, and what speaks against enrolling the person; see `enrolling`.

        Raises:
            InputError: a photograph shows no face, or two.
            UsageError: no photograph.
        """
        return admit_photographs(
            photographs,
            others,
            networks=self.networks,
            policy=self.policy,
            rules=self._enrolment,
            limits=self._limits,
        )

    def compare(self, reference: Pixels, probe: Pixels) -> Decision:
        """Say whether two photographs show one person; liveness is not asked.

        Raises:
            InputError: one of them shows no face.
        """
        return compare_photographs(reference, probe, networks=self.networks, policy=self.policy)

    def _begun(self, identifier: str, subject: str, state: ChallengeState) -> Session:
        return Session(
            identifier=identifier,
            subject=subject,
            state=state,
            policy=self._digest,
            head=start_chain(identifier, state.challenge.nonce),
        )

    def _refuse_other_policy(self, session: Session) -> None:
        if session.policy != self._digest:
            raise ChallengeExpired(
                expected=f"a session under the policy {self._digest[:12]}",
                came=f"one under {session.policy[:12]}",
                remedy="begin a new session",
            )

    def _pixels(self, frame: Frame) -> Pixels:
        if isinstance(frame.image, bytes):
            return read_image(frame.image, limits=self._frame_limits, name="the frame")
        return rgb_image(frame.image)

    def _shown(
        self, session: Session, frame: Frame, pixels: Pixels, planes: Mapping[Modality, Pixels]
    ) -> tuple[_Shown | None, tuple[Reason, ...]]:
        """Find the face and measure it: None where there is not exactly one, and the advice."""
        try:
            face = only_face(self.networks.detector.detect(pixels), name="the frame")
            quality = measure_quality(pixels, face)
        except NoFace:
            return None, (Reason.NO_FACE,)
        except ManyFaces:
            return None, (Reason.MANY_FACES,)
        shown = _Shown(frame=frame, pixels=pixels, planes=planes, face=face, pose=quality.pose)
        return shown, advice(quality, self._limits, ahead=not _is_turning(session.state))

    def _astray(self, state: ChallengeState, shown: _Shown | None) -> ChallengeState:
        """Let the challenge see a head that is turned unasked: that may end it, and never advances it."""
        if shown is None or abs(shown.pose.yaw_degrees) <= state.challenge.rules.front_degrees or _is_turning(state):
            return state
        return observe(state, Observation(seconds=shown.frame.seconds, yaw_degrees=shown.pose.yaw_degrees))

    def _judged(self, session: Session, shown: _Shown, references: Templates | None, recent: Recent | None) -> Session:
        if recent is not None and self._windowed:
            recent.add(shown.pixels, shown.face, shown.frame.seconds)
        scores: dict[str, float | None] = {}
        templates = self._templates(shown)
        session, same = self._compared(session, templates, recent)
        known = _cosine(references, templates.get(self._knows or ""))
        for rule in self.policy.checks:
            if rule.kind is CheckKind.VERIFICATION:
                scores[rule.name] = known
            elif rule.kind is CheckKind.SAME_FACE:
                scores[rule.name] = same
            elif rule.kind is CheckKind.PRESENTATION:
                judge = self.networks.stills.get(rule.network or "")
                scores[rule.name] = None if judge is None else judge.bona_fide_score(shown.pixels, shown.face.box)
            elif rule.kind is CheckKind.PRESENTATION_SENSORS:
                scores[rule.name] = self._by_sensors(rule, shown)
        session = self._by_windows(session, recent)
        before = session.state
        observation, eyes = self._observed(session, shown)
        after = before if self._is_uncovered(session, shown) else observe(before, observation)
        key = _advanced(before, after)
        tallies = {
            name: session.tally(name).seen(score, shown.frame.seconds, key=key) for name, score in scores.items()
        }
        tallies = {**session.tallies, **tallies}
        return replace(session, state=after, judged=session.judged + 1, tallies=tallies, eyes=eyes)

    def _templates(self, shown: _Shown) -> dict[str, NDArray[np.float32]]:
        found = {}
        for name in dict.fromkeys(name for name in (self._knows, self._compares) if name is not None):
            network = self.networks.recognisers.get(name)
            if network is not None:
                found[name] = network.embed(network.cut(shown.pixels, shown.face)[None])[0]
        return found

    def _compared(
        self, session: Session, templates: Mapping[str, NDArray[np.float32]], recent: Recent | None
    ) -> tuple[Session, float | None]:
        """Return the cosine to the first judged face, which is kept: 1 for that one itself."""
        template = templates.get(self._compares or "")
        if template is None:
            return session, None
        context = context_of("anchor", session.identifier, session.nonce)
        if self.vault is not None and session.anchor is not None:
            anchor = np.frombuffer(self.vault.open(session.anchor, context), np.float32)
            return session, _cosine(anchor[None], template)
        if session.judged == 0:
            if recent is not None:
                recent.anchor = template
            sealed = None if self.vault is None else self.vault.seal(template.astype(np.float32).tobytes(), context)
            return replace(session, anchor=sealed), 1.0
        return session, None if recent is None or recent.anchor is None else _cosine(recent.anchor[None], template)

    def _by_sensors(self, rule: CheckRule, shown: _Shown) -> float | None:
        judge = self.networks.sensors.get(rule.network or "")
        planes = None if judge is None else _asked_planes(shown, judge.modalities)
        if judge is None or planes is None:
            return None
        square = square_box(np.asarray([shown.face.box], np.float64))
        side = judge.side
        return judge.score(
            {
                modality: resized(cut_square(plane, square)[None], height=side, width=side)[0]
                for modality, plane in planes.items()
            }
        )

    def _by_windows(self, session: Session, recent: Recent | None) -> Session:
        """Judge the window that the last frames make, if they do, and begin the next one with its last frame."""
        if recent is None or not self._windowed:
            return session
        frames = recent.taken()
        ticks = _window(frames)
        if ticks is None:
            return session
        boxes = np.asarray([frames[place].box for place in ticks], np.float64)
        tallies = dict(session.tallies)
        for rule in self._windowed:
            judge = self.networks.clips.get(rule.network or "")
            if judge is not None:
                pictures = [frames[place].pixels for place in ticks]
                windows, _ = cut_windows(pictures, boxes, [0], side=judge.side)
                score = judge.score(windows[0])
                tallies[rule.name] = session.tally(rule.name).seen(score, frames[-1].seconds, key=True)
        recent.begin_window()
        return replace(session, tallies=tallies)

    def _is_uncovered(self, session: Session, shown: _Shown) -> bool:
        """Tell whether a network of clips has not seen what goes on now."""
        newest = [session.tally(rule.name).seconds for rule in self._windowed]
        return any(each is None or shown.frame.seconds - each > COVER_SECONDS for each in newest)

    def _observed(self, session: Session, shown: _Shown) -> tuple[Observation, EyeBaseline]:
        """Read what the challenge needs; eyes are compared with the same person's a moment before."""
        actions = set(session.state.challenge.actions)
        reader = self.networks.expressions if EXPRESSIVE & actions else None
        contrast = eye_contrast(shown.pixels, shown.face) if Action.BLINK in actions else None
        observation = Observation(
            seconds=shown.frame.seconds,
            expressions=None if reader is None else reader.read(shown.pixels, shown.face),
            yaw_degrees=shown.pose.yaw_degrees,
            eyes_open=session.eyes.openness(contrast),
        )
        return observation, session.eyes.after(contrast)

    def _outcome(self, rule: CheckRule, session: Session) -> Outcome:
        if rule.kind is CheckKind.QUALITY:
            return self._quality(rule, session)
        if rule.kind is CheckKind.CHALLENGE:
            state = session.state
            passed = state.outcome is ChallengeOutcome.PASSED
            why = () if state.reason is None else (state.reason,)
            seconds = state.seconds if session.seconds is None else session.seconds
            status = Status.PASSED if passed else Status.FAILED
            return Outcome(check=rule.name, status=status, reasons=why, seconds=seconds)
        assert rule.point is not None
        tally = session.tally(rule.name)
        score = _counted(rule.kind, tally)
        if score is None:
            status, reasons = Status.MISSING, () if tally.missed else (Reason.TOO_FEW_FRAMES,)
        elif not score >= rule.point.value:
            status, reasons = Status.FAILED, ()
        else:
            status, reasons = (Status.MISSING if tally.missed else Status.PASSED), ()
        return Outcome(
            check=rule.name,
            status=status,
            score=score,
            threshold=rule.point.value,
            reasons=reasons,
            seconds=tally.seconds,
        )

    def _quality(self, rule: CheckRule, session: Session) -> Outcome:
        crowded = session.unjudged.get(Reason.MANY_FACES, 0)
        common = max(session.unjudged, key=lambda reason: session.unjudged[reason], default=None)
        if session.seconds is None:
            return Outcome(check=rule.name, status=Status.MISSING, reasons=(Reason.TOO_FEW_FRAMES,))
        reasons: tuple[Reason, ...] = ()
        if session.judged < self._least_frames:
            reasons = (Reason.TOO_FEW_FRAMES, *(() if common is None else (common,)))
        elif crowded > CROWDED_SHARE * (session.judged + crowded):
            reasons = (Reason.MANY_FACES,)
        status = Status.FAILED if reasons else Status.PASSED
        score = session.judged / session.frames
        return Outcome(check=rule.name, status=status, score=score, reasons=reasons, seconds=session.seconds)


def authenticate_clip(
    authenticator: Authenticator,
    path: str | os.PathLike[str] | Recording,
    references: Templates,
    *,
    session: Session,
    frames_per_second: float = CLIP_RATE,
    seen_before: Callable[[Collection[bytes]], int] = lambda _digests: 0,
) -> tuple[GateDecision, Session]:
    """Walk through a clip as if it were a camera that starts when the challenge is issued, by the clip's own times.

    Args:
        authenticator: the gate.
        path: of the video file; or a recording, where there are infrared and depth too.
        references: (K, D) templates of the claimed name.
        session: that was begun for this clip.
        frames_per_second: how many are looked at, at most.
        seen_before: told the digests of all frames that were looked at, says how many of them are known.

    Returns:
        The decision, and the session as it ended, with the head of the chain of frames.

    Raises:
        MissingFile, UnreadableImage, ImageTooLarge, TooFewFrames, WrongModality: as for `Recording.frames`.
        UsageError: not a positive number of frames a second.
        TemplateVersion: references of another length.
    """
    if not 0 < frames_per_second < math.inf:
        raise UsageError(expected="frames a second above 0", came=f"{frames_per_second:g}", remedy="for example 10")
    recording, recent = path if isinstance(path, Recording) else Recording(clip=path), Recent()
    digests: list[bytes] = []
    start = session.state.challenge.issued + _AFTER
    due = 0.0
    for seconds, pixels, planes in recording.frames():
        if not session.is_open:
            break
        if seconds >= due - _EARLY / frames_per_second:
            due = max(due, seconds - 0.5 / frames_per_second) + 1 / frames_per_second
            frame = Frame(image=pixels, seconds=start + seconds, **planes)
            digests.append(frame.picture_digest)
            session, _ = authenticator.look(session, frame, references, recent=recent)
    newest = session.state.seconds if session.seconds is None else session.seconds
    decision = authenticator.conclude(session, now=newest or start, seen_before=seen_before(digests))
    return decision, session


def _asking(rules: ChallengeRules, actions: Sequence[Action]) -> ChallengeRules:
    if not actions or not set(actions) <= set(rules.actions):
        raise UsageError(
            expected=f"actions of this gate: {', '.join(rules.actions)}",
            came=", ".join(actions) or "none",
            remedy="name some of them",
        )
    return replace(rules, steps=len(actions), actions=tuple(actions))


def _one_network(policy: Policy, kind: CheckKind) -> str | None:
    names = {rule.network for rule in policy.checks if rule.kind is kind}
    if len(names) > 1:
        raise UsageError(
            expected=f"one recogniser for all checks of {kind}",
            came=", ".join(sorted(str(name) for name in names)),
            remedy="name one; references are of one recogniser",
        )
    return next(iter(names), None)


def _is_turning(state: ChallengeState) -> bool:
    """Tell whether the head may be turned now: asked to, or on its way back from it."""
    done = state.challenge.actions[: state.step]
    if state.phase is Phase.ACTION:
        return state.action in _TURNS
    return bool(done) and done[-1] in _TURNS


def _advanced(before: ChallengeState, after: ChallengeState) -> bool:
    """Tell whether a frame is one by which a challenge advanced: it counts as held, or ends a phase."""
    return after.step > before.step or after.phase is not before.phase or after.frames > before.frames


def _feedback(session: Session, told: tuple[Reason, ...]) -> Feedback:
    state = session.state
    shown = state.action if state.phase is Phase.ACTION else None
    return Feedback(
        prompt=state.prompt or DONE_PROMPT,
        action=shown,
        advice=told,
        step=state.step,
        steps=len(state.challenge.actions),
        done=not state.is_open,
    )


def _counted(kind: CheckKind, tally: Tally) -> float | None:
    """Return the score of a check; None where there is none."""
    if kind is CheckKind.VERIFICATION:
        return tally.key_worst
    return tally.lowest if kind is CheckKind.SAME_FACE else tally.mean


def _cosine(references: Templates | None, template: NDArray[np.float32] | None) -> float | None:
    """Return the cosine of a template (D,) to the centre of references (K, D); None without either."""
    if references is None or template is None or not len(references):
        return None
    if references.ndim != 2 or references.shape[1] != len(template):
        raise TemplateVersion(
            expected=f"references (K, {len(template)})", came=f"{references.shape}", remedy="enrol the person again"
        )
    centre = references.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(centre) * np.linalg.norm(template))
    return float(centre @ template) / length if length > 0 else None


def _asked_planes(shown: _Shown, modalities: Sequence[Modality]) -> dict[Modality, Pixels] | None:
    """Return (H, W, C) of each sensor; None where one did not come, or shows nothing."""
    planes = {Modality.RGB: shown.pixels, **shown.planes}
    told = {modality: planes[modality] for modality in modalities if modality in planes}
    if len(told) < len(modalities) or any(why_empty(plane, modality) for modality, plane in told.items()):
        return None
    return told


def _plane(part: bytes | Pixels, modality: Modality, shape: tuple[int, ...], limits: ImageLimits) -> Pixels:
    plane = read_plane(part, limits=limits, name=str(modality)) if isinstance(part, bytes) else part
    if plane.dtype != np.uint8 or plane.shape != shape[:2]:
        raise WrongModality(
            expected=f"{modality} as a grey picture of 8 bits of {shape[1]} x {shape[0]}, lying on the colour picture",
            came=f"{plane.dtype} {plane.shape}",
            remedy="align the sensors, and scale depth to 8 bits as the network's training set did",
        )
    return plane.astype(np.uint8, copy=False)[..., None]


def _window(frames: Sequence[SeenFrame]) -> list[int] | None:
    """Return which frame is shown at each of the 13 ticks of a window; None where they make none yet."""
    if len(frames) < FRAMES:
        return None
    seconds = np.asarray([frame.seconds for frame in frames])
    ticks = frames_at_ticks(seconds - seconds[0])
    if len(ticks) < SPAN:
        return None
    first = len(ticks) - SPAN
    chosen = ticks[first:]
    return chosen.tolist() if len(set(chosen[window_frames([0])[0]].tolist())) == FRAMES else None
