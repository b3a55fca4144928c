"""Goal P10: FaceLiveNet on one core, its engines beside plain eager PyTorch, and both tasks beside verification alone.

All forms of a network take the bytes of faces of 160 pixels and return templates and probabilities, whitening and
softmax included: the module as it was built (eager), with its normalisations folded and channels last (folded), and the
ONNX file of `export.facelivenet` in ONNX Runtime and in OpenVINO, whose precision is always asked for by name. Every
form is held to one thread, and is compared with the eager one before any time is taken: those in float32 must agree,
and the row of a lower precision says how far it goes astray, on faces that calibrated nothing.

The rows P10-tasks set verification alone (the peer) beside both tasks (ours): at most 1.25 of its time is asked for, a
ratio of 0.8. The slim network is the one that lies in the package; the weights of
the official layout are random, since time does not depend on them. Faces are drawn, and normalisations have the
statistics of drawn faces. OpenVINO, and NNCF for int8, take part where they are installed; what is not there is said to
be absent, and has no row.
"""

import contextlib
import copy
import importlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray
from torch import nn

from countenance.bench.timing import BenchmarkResult, compare
from countenance.drawn_sets.verification_sets import plan_lfw
from countenance.errors import UsageError
from countenance.export.facelivenet import FACES, PROBABILITIES, TEMPLATES, facelivenet_onnx
from countenance.networks.facelivenet import OFFICIAL, SEVEN, SLIM, FaceLiveNet, narrowed
from countenance.networks.inception_resnet_v1 import SIDE, ShiftedNorm, fused
from countenance.progress import Say, unheard
from countenance.shipped import FACELIVENET_SLIM, stated_face_live_network
from countenance.synthesis.scene import draw_clip
from countenance.threads import one_thread
from countenance.transforms.resizing import resized

GOAL, GOAL_INT8, GOAL_TASKS = 2.7, 8.0, 1 / 1.25
PASSES = 32  # of one face, in a counted round; of a batch, fewer
BATCH = 8
CALIBRATION, HELD_OUT = 96, 64  # drawn faces
MOST_APART = 1e-4  # of templates and probabilities in float32
LEAST_COSINE, LEAST_AGREEMENT = 0.99, 0.95  # of int8 with eager: the mean cosine, the share of equal expressions

Faces = NDArray[np.uint8]
Pass = Callable[[Faces], list[NDArray[np.float32]]]
"""Faces (N, 160, 160, 3) uint8 RGB to templates (N, D) and, where both tasks are done, probabilities (N, E)."""


@dataclass(frozen=True, eq=False)
class _Form:
    """One way to run a network.

    Attributes:
        name: of its rows.
        words: what it is, for the row's detail.
        build: makes it of a network and a size of batch; ImportError where an engine is not installed.
        exact: whether it is float32, and has to agree with the eager one.
    """

    name: str
    words: str
    build: Callable[[FaceLiveNet, int], Pass]
    exact: bool = True


@dataclass(frozen=True, eq=False)
class _Subject:
    """A network and the faces it is asked about.

    Attributes:
        network: in inference mode, with expressions to tell.
        words: what it is.
        calibration: faces that int8 may be fitted to.
        held_out: others.
        passes: of one face in a counted round.
    """

    network: FaceLiveNet
    words: str
    calibration: Faces
    held_out: Faces
    passes: int


def bench_facelivenet(
    *, rounds: int = 5, seed: int = 0, share: float = 1.0, say: Say = unheard
) -> list[BenchmarkResult]:
    """Run every row.

    Args:
        rounds: counted rounds of each pair.
        seed: of the weights and the faces.
        share: of the faces and of the passes of a round; less than 1 for a trial, whose networks are narrow.
        say: called with a line before each row, and for each engine that is absent.

    Raises:
        UsageError: an engine's float32 differs from the eager network's by more than `MOST_APART`.
    """
    with one_thread():
        slim, official = _subjects(seed, share)
        forms = _forms(slim.calibration)
        results = [_beside_eager(slim, form, batch=1, rounds=rounds, say=say) for form in forms.values()]
        results += [
            _beside_eager(slim, forms[name], batch=BATCH, rounds=rounds, say=say)
            for name in ("folded", "onnxruntime", "fp32")
        ]
        results += [
            _beside_one_task(subject, title, form, rounds=rounds, say=say)
            for subject, title in ((slim, "P10-tasks"), (official, "P10-tasks-official"))
            for form in (_EAGER, *(form for form in forms.values() if form.exact))
        ]
    return [result for result in results if result is not None]


def verification_alone(network: FaceLiveNet) -> FaceLiveNet:
    """Return a copy that has the trunk and branch 1, and tells no expressions."""
    alone = copy.deepcopy(network)
    alone.branch_2, alone.head, alone.expressions = None, None, ()
    return alone


def settle(network: FaceLiveNet, faces: Faces) -> FaceLiveNet:
    """Give every normalisation the statistics of these faces, and return the network in inference mode."""
    norms = [part for part in network.modules() if isinstance(part, ShiftedNorm)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # those of the last batch
    with torch.no_grad():
        network.train()(_pixels(faces))
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    return network.eval()


def drawn_faces(count: int, seed: int) -> Faces:
    """Draw faces (N, 160, 160, 3): the middle of drawn photographs, four of a person."""
    found: list[Faces] = []
    for clip in plan_lfw(subjects=max(20, -(-count // 4)), seed=seed).clips:
        frames = draw_clip(clip.spec).rgb
        height, width = frames.shape[1:3]
        middle = frames[:, height // 8 : -height // 8, width // 8 : -width // 8]
        found.append(np.asarray(resized(middle, height=SIDE, width=SIDE), np.uint8))
        if sum(map(len, found)) >= count:
            break
    return np.concatenate(found)[:count]


def _subjects(seed: int, share: float) -> tuple[_Subject, _Subject]:
    counts = [max(BATCH, round(share * count)) for count in (CALIBRATION, HELD_OUT)]
    faces = drawn_faces(sum(counts), seed)
    calibration, held_out = faces[: counts[0]], faces[counts[0] :]
    tiny = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)
    networks = []
    for layout, passes in ((SLIM, PASSES), (OFFICIAL, PASSES // 4)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = FaceLiveNet(layout if share >= 1 else tiny, SEVEN)
        networks.append((settle(network, calibration[:32]), "random weights", max(1, round(share * passes))))
    if share >= 1:
        networks[0] = (stated_face_live_network(FACELIVENET_SLIM).network, FACELIVENET_SLIM, PASSES)
    slim, official = (
        _Subject(
            network,
            f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters, {words}, {SIDE} px",
            calibration,
            held_out,
            passes,
        )
        for network, words, passes in networks
    )
    return slim, official


def _beside_eager(subject: _Subject, form: _Form, *, batch: int, rounds: int, say: Say) -> BenchmarkResult | None:
    name = f"P10-{form.name}" if batch == 1 else f"P10-{form.name}-batch{batch}"
    say(f"{name}: {form.words}; {subject.words}")
    plain = _eager(subject.network, batch)
    own = _built(name, form, subject.network, batch, say)
    if own is None:
        return None
    parity, sound = _parity(form, own, plain, subject.held_out, batch)
    faces, passes = subject.held_out[:batch], -(-subject.passes // batch)
    goal = _GOALS.get(name, 0.0)
    return _per_pass(
        compare(
            name,
            ours=lambda: _times(passes, own, faces),
            peer=lambda: _times(passes, plain, faces),
            goal=goal,
            detail=f"{form.words}, both tasks, batches of {batch}; {parity}{_verdict(goal, sound=sound)}; "
            f"{subject.words}; peer: the module as it was built, in eager PyTorch; seconds of a pass",
            rounds=rounds,
        ),
        passes,
    )


def _beside_one_task(subject: _Subject, title: str, form: _Form, *, rounds: int, say: Say) -> BenchmarkResult | None:
    name = title if form.name == _DEPLOYED else f"{title}-{form.name}"
    say(f"{name}: {form.words}; {subject.words}")
    both = _built(name, form, subject.network, 1, say)
    if both is None:
        return None
    alone = form.build(verification_alone(subject.network), 1)
    face, passes = subject.held_out[:1], subject.passes
    apart = float(abs(both(face)[0] - alone(face)[0]).max())
    _refuse_apart("templates", apart)
    return _per_pass(
        compare(
            name,
            ours=lambda: _times(passes, both, face),
            peer=lambda: _times(passes, alone, face),
            goal=GOAL_TASKS,
            detail=f"{form.words}, one face: verification and expression in one pass (ours), verification alone "
            f"(peer): the goal is at most 1.25 of its time; templates within {apart:.0e}; {subject.words}; "
            "seconds of a pass",
            rounds=rounds,
        ),
        passes,
    )


def _built(name: str, form: _Form, network: FaceLiveNet, batch: int, say: Say) -> Pass | None:
    try:
        return form.build(network, batch)
    except ImportError as error:
        say(f'{name}: absent ({error}); pip install "countenance[engines]"')
        return None


def _parity(form: _Form, own: Pass, plain: Pass, faces: Faces, batch: int) -> tuple[str, bool]:
    """How a form agrees with the eager one, in words, and whether it does."""
    whole = [faces[first : first + batch] for first in range(0, len(faces) - batch + 1, batch)]
    ours, theirs = ([np.concatenate(parts) for parts in zip(*map(run, whole), strict=True)] for run in (own, plain))
    if form.exact:
        apart = max(float(abs(left - right).max()) for left, right in zip(ours, theirs, strict=True))
        _refuse_apart("templates and probabilities", apart)
        return f"templates and probabilities within {apart:.0e}", True
    cosines = (ours[0] * theirs[0]).sum(axis=1)
    agreed = float((ours[1].argmax(axis=1) == theirs[1].argmax(axis=1)).mean())
    words = (
        f"cosine of templates to float32: mean {cosines.mean():.4f}, least {cosines.min():.4f}; the same expression on "
        f"{agreed:.1%} of {len(cosines)} drawn faces"
    )
    return words, bool(cosines.mean() >= LEAST_COSINE and agreed >= LEAST_AGREEMENT)


def _verdict(goal: float, *, sound: bool) -> str:
    return "" if sound or not goal else ": TOO FAR, so the goal does not count"


def _refuse_apart(what: str, apart: float) -> None:
    if not apart <= MOST_APART:
        raise UsageError(
            expected=f"both {what} within {MOST_APART:g}", came=f"{apart:g}", remedy="report this as a bug"
        )


def _times(passes: int, run: Pass, faces: Faces) -> None:
    for _ in range(passes):
        run(faces)


def _per_pass(result: BenchmarkResult, passes: int) -> BenchmarkResult:
    return replace(result, ours=result.ours / passes, peer=result.peer / passes)


def _pixels(faces: Faces) -> torch.Tensor:
    return torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255


def _eager(network: FaceLiveNet, _batch: int) -> Pass:
    return _in_torch(network)


def _folded(network: FaceLiveNet, _batch: int) -> Pass:
    laid_out = fused(copy.deepcopy(network)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _in_torch(laid_out)


def _in_torch(network: FaceLiveNet) -> Pass:
    def run(faces: Faces) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            found = network(_pixels(faces))
            told = [nn.functional.softmax(found.logits, 1).numpy()] if network.expressions else []
            return [found.features.numpy(), *told]

    return run


def _onnxruntime(network: FaceLiveNet, _batch: int) -> Pass:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(facelivenet_onnx(network), options, providers=["CPUExecutionProvider"])
    outputs = _outputs(network)
    return lambda faces: list(session.run(outputs, {FACES: faces}))


def _openvino(network: FaceLiveNet, batch: int, precision: str = "f32") -> Pass:
    core = importlib.import_module("openvino").Core()
    return _compiled(core, core.read_model(io.BytesIO(facelivenet_onnx(network))), _outputs(network), batch, precision)


def _int8(network: FaceLiveNet, batch: int, calibration: Faces) -> Pass:
    """Weights and activations of all convolutions in 8 bits; whitening, means and the head stay in float32."""
    core = importlib.import_module("openvino").Core()
    model = core.read_model(io.BytesIO(facelivenet_onnx(network)))
    with _quiet():
        library = importlib.import_module("nncf")
        model = library.quantize(
            model,
            library.Dataset([face[None] for face in calibration]),
            preset=library.QuantizationPreset.MIXED,
            subset_size=len(calibration),
            ignored_scope=library.IgnoredScope(types=list(_IN_FLOAT), validate=False),
        )
    return _compiled(core, model, _outputs(network), batch, "f32")


def _compiled(core: Any, model: Any, outputs: Sequence[str], batch: int, precision: str) -> Pass:
    model.reshape([batch, SIDE, SIDE, 3])  # a size that is known runs faster
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    settings["ENABLE_CPU_PINNING"] = False  # its peers may move to the other core too
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(faces: Faces) -> list[NDArray[np.float32]]:
        found = request.infer([faces], share_inputs=True, share_outputs=True)
        return [found[name].copy() for name in outputs]

    return run


def _outputs(network: FaceLiveNet) -> list[str]:
    return [TEMPLATES, PROBABILITIES] if network.expressions else [TEMPLATES]


def _forms(calibration: Faces) -> Mapping[str, _Form]:
    """The forms beside the eager one."""
    all_of = (
        _Form("folded", "eager PyTorch, normalisations folded, channels last", _folded),
        _Form("onnxruntime", "ONNX Runtime in float32", _onnxruntime),
        _Form("fp32", "OpenVINO in float32", _openvino),
        _Form("bf16", "OpenVINO in bfloat16", lambda network, batch: _openvino(network, batch, "bf16"), exact=False),
        _Form(
            "int8",
            f"OpenVINO in int8 by NNCF, calibrated on {len(calibration)} drawn faces",
            lambda network, batch: _int8(network, batch, calibration),
            exact=False,
        ),
    )
    return {form.name: form for form in all_of}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep NNCF from printing over our rows, and from telling its makers that it is used."""
    before = os.environ.get(_SILENT)
    os.environ[_SILENT] = "1"
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # a library's own
            importlib.import_module("nncf").set_log_level(logging.ERROR)
            yield
    finally:
        if before is None:
            del os.environ[_SILENT]
        else:
            os.environ[_SILENT] = before


_DEPLOYED = "onnxruntime"  # the engine that is always there gives P10-tasks its name
_EAGER = _Form("eager", "eager PyTorch, as it was built", _eager)
_GOALS: Mapping[str, float] = {"P10-fp32": GOAL, "P10-onnxruntime": GOAL, "P10-int8": GOAL_INT8}
_IN_FLOAT = ("Subtract", "Multiply", "Power", "Divide", "Sqrt", "Maximum", "ReduceMean", "ReduceL2", "MatMul")
_SILENT = "NNCF_CI"  # as NNCF reads it
