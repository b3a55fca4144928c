"""The folder of an exported network: written when it agrees with PyTorch, read when it still does.

A folder holds the model for one engine or two (`model.onnx`; `model.xml` with `model.bin`), the golden vectors
(`golden.safetensors`: tensors and nothing that runs), and `card.json`, which names every file with its SHA-256, the
inputs with the order of their channels, the constants that stand in the graph, what each output means, the thresholds
and the tolerance. Whoever reads it runs the golden vectors first, and gets no score where an answer is another one.

Digests say that the files are those that the card was written for, not who wrote the card: it carries no signature.
`digest` of `Exported` is that of the card, for those who pin it.
"""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors import SafetensorError
from safetensors.numpy import load, save

from countenance.errors import DataError, DigestMismatch, ParityError, UsageError
from countenance.export.engines import (
    MODEL_ONNX,
    MODELS,
    TOLERANCE,
    Answers,
    Engine,
    Judge,
    Pixels,
    as_intermediate,
    has_openvino,
    running,
)
from countenance.export.exportable import Exportable, Kind, Output, exportable
from countenance.export.golden import LEAST, PixelInput, golden_pixels, refuse_blind, refuse_other_answers
from countenance.files import existing_file, sha256_of, write_atomically
from countenance.vocabulary import Modality

CARD: Final = "card.json"
GOLDEN: Final = "golden.safetensors"
FORMATS: Final = ("onnx", "openvino")
_FORMAT = 1
_PIXELS, _ANSWERS = "pixels.", "answers."
_AGAIN = "export the network anew"


@dataclass(frozen=True, kw_only=True, eq=False)
class Exported:
    """An exported network that has given its golden answers.

    Attributes:
        name: of the network.
        kind: what it judges.
        engine: what runs it.
        inputs: in the order of the network's channels.
        outputs: what comes out.
        points: thresholds, as a card states them.
        label: of the data that it was trained on, such as "drawn data"; "" for real data.
        digest: SHA-256 of the card.
        max_difference: from the golden answers; see `golden.apart`.
        run: the engine, which is asked through `judge`.
    """

    name: str
    kind: Kind
    engine: Engine
    inputs: tuple[PixelInput, ...]
    outputs: tuple[Output, ...]
    points: Sequence[Mapping[str, Any]]
    label: str
    digest: str
    max_difference: float
    run: Judge

    def judge(self, pixels: Pixels) -> Answers:
        """Return what the network says.

        Args:
            pixels: for each input (N, ...) uint8, as `inputs` has it.

        Returns:
            For each output (N, width) float32.

        Raises:
            UsageError: other inputs, shapes or types, or no sample.
        """
        wanted = {each.name: each.shape for each in self.inputs}
        came = {name: values.shape[1:] for name, values in pixels.items()}
        counts = {len(values) for values in pixels.values()}
        if came != wanted or len(counts) != 1 or 0 in counts or any(v.dtype != np.uint8 for v in pixels.values()):
            raise UsageError(
                expected=f"uint8 inputs (N, ...) of {wanted}, as many of each",
                came=", ".join(f"{name} {values.dtype} {values.shape}" for name, values in pixels.items()) or "none",
                remedy="cut the pictures as the card of the export says",
            )
        return self.run(pixels)


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What an export did.

    Attributes:
        folder: where it lies.
        files: in it.
        max_difference: from the golden answers, for each engine that was asked.
        label: as the card has it.
        digest: SHA-256 of the card.
    """

    folder: Path
    files: tuple[Path, ...]
    max_difference: Mapping[Engine, float]
    label: str
    digest: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sheet:
    """A card, read."""

    files: Mapping[str, str]
    tolerance: Mapping[Engine, float]
    inputs: tuple[PixelInput, ...]
    outputs: tuple[Output, ...]
    scores: str | None
    card: Mapping[str, Any]


def formats_named(words: str | None) -> tuple[str, ...]:
    """Return the formats that are named with commas between; None: onnx, and openvino where that is installed.

    Raises:
        UsageError: an unknown one, or one twice.
    """
    if words is None:
        return FORMATS if has_openvino() else FORMATS[:1]
    named = tuple(word.strip() for word in words.split(","))
    if not set(named) <= set(FORMATS) or len(set(named)) < len(named):
        raise UsageError(
            expected=f"formats among {', '.join(FORMATS)}, each once", came=repr(words), remedy="name one or both"
        )
    return named


def export_network(name: str, out: str | os.PathLike[str], *, formats: str | None = None) -> ExportReport:
    """Write a network for other engines, with its preprocessing, thresholds and golden vectors, once these agree.

    Args:
        name: as `exportable` takes it: a shipped or released network, or the folder of a run.
        out: a new folder, or an empty one.
        formats: as `formats_named` takes them.

    Raises:
        UsageError, ParityError: as for `write_export`.
        DataError: weights cannot be had, or are damaged.
    """
    named = formats_named(formats)
    return write_export(exportable(name), out, formats=named)


def write_export(network: Exportable, out: str | os.PathLike[str], *, formats: Collection[str]) -> ExportReport:
    """Write a network, whole or not at all, once every engine that reads it has given the golden answers.

    Args:
        network: what is exported.
        out: a new folder, or an empty one.
        formats: of `FORMATS`.

    Raises:
        UsageError: there is something in the folder already, it cannot be written to, or OpenVINO is not installed.
        ParityError: an engine answers otherwise than PyTorch, or the golden vectors would miss a wrong order.
    """
    target = Path(out)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(expected="a new folder", came=f"{target}, where something is", remedy="name another one")
    pixels = golden_pixels(network.inputs)
    refuse_blind(network.inputs, pixels, network.judge, tolerance=max(TOLERANCE.values()))
    answers = network.judge(pixels)
    models = {MODEL_ONNX: network.model} if "onnx" in formats else {}
    models |= as_intermediate(network.model) if "openvino" in formats else {}
    tensors = {f"{_PIXELS}{name}": np.ascontiguousarray(values) for name, values in pixels.items()}
    tensors |= {f"{_ANSWERS}{name}": np.ascontiguousarray(values) for name, values in answers.items()}
    files = {**models, GOLDEN: save(tensors)}
    card = (json.dumps(_card(network, files), indent=1) + "\n").encode()
    engines = [engine for engine, wanted in zip(Engine, FORMATS, strict=True) if wanted in formats]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
    except OSError as error:
        raise UsageError(
            expected=f"to be able to write {target}",
            came=error.strerror or type(error).__name__,
            remedy="choose a folder that can be written to",
        ) from error
    try:
        for name, content in {**files, CARD: card}.items():
            write_atomically(part / name, content)
        apart = {engine: read_export(part, engine=engine).max_difference for engine in engines}
        part.chmod(0o755)  # mkdtemp makes it private; a model is not
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return ExportReport(
        folder=target,
        files=tuple(target / name for name in (*files, CARD)),
        max_difference=apart,
        label=network.label,
        digest=sha256_of(card),
    )


def is_export(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds an exported network."""
    return (Path(folder) / CARD).is_file()


def read_export(folder: str | os.PathLike[str], *, engine: Engine = Engine.ONNXRUNTIME, threads: int = 1) -> Exported:
    """Read an exported network, check every digest and let it answer its golden vectors.

    Args:
        folder: that `write_export` wrote.
        engine: what runs it.
        threads: processor threads for one call.

    Raises:
        UsageError: the engine is not installed, or reads none of the files.
        MissingFile: a file is not there.
        DigestMismatch: a file is not the one that the card was written for.
        ParityError: the answers are not the golden ones, or the golden vectors tell nothing.
        DataError: a file is damaged, or the card is not one of ours.
    """
    base = Path(folder)
    content = existing_file(base / CARD, expected=f"the card of an exported network in {base}").read_bytes()
    sheet = _sheet(content, base)
    files = {name: _checked(base / name, digest) for name, digest in sheet.files.items()}
    pixels, answers = _golden(files[GOLDEN], sheet, base)
    tolerance = sheet.tolerance[engine]
    run = running({name: files[name] for name in MODELS if name in files}, engine, threads=threads)
    came = _answered(run, pixels, engine)
    apart = refuse_other_answers(answers, came, tolerance=tolerance, scores=sheet.scores)
    if MODEL_ONNX in files and (stand := _constants(files[MODEL_ONNX])) != sheet.card["preprocessing"]:
        raise ParityError(
            expected=f"the constants {', '.join(stand) or 'of nothing'} of the graph in the card of {base}",
            came="others",
            remedy=_AGAIN,
        )
    return Exported(
        name=str(sheet.card["name"]),
        kind=Kind(sheet.card["kind"]),
        engine=engine,
        inputs=sheet.inputs,
        outputs=sheet.outputs,
        points=sheet.card["operating_points"],
        label=str(sheet.card["label"]),
        digest=sha256_of(content),
        max_difference=apart,
        run=run,
    )


def _card(network: Exportable, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "name": network.name,
        "kind": network.kind,
        "label": network.label,
        "files": {name: sha256_of(content) for name, content in files.items()},
        "inputs": [
            {
                "name": each.name,
                "modality": each.modality,
                "shape": each.shape,
                "type": "uint8",
                "layout": "NTHWC" if len(each.shape) == 4 else "NHWC",
                "channels": _channels(each.modality),
                "cut": each.cut,
            }
            for each in network.inputs
        ],
        "preprocessing": _constants(network.model),
        "outputs": [asdict(each) for each in network.outputs],
        "scores": network.scores,
        "polarity": _polarity(network.scores),
        "operating_points": list(network.points),
        "tolerance": {str(engine): tolerance for engine, tolerance in TOLERANCE.items()},
        "golden": "drawn data (people, cut prints, prints) and noise; the answers are PyTorch's in float32",
        "weights": dict(network.weights),
        "versions": {name: metadata.version(name) for name in ("countenance", "torch", "onnx")},
    }


def _channels(modality: Modality) -> list[str]:
    return ["red", "green", "blue"] if modality is Modality.RGB else [str(modality)]


def _polarity(scores: str | None) -> str | None:
    return None if scores is None else f"high {scores} = bona fide"


def _constants(model: bytes) -> dict[str, list[float]]:
    """The constants of preprocessing as they stand in the graph, by the names of their tensors."""
    held = onnx.load_model_from_string(model).graph.initializer
    named = [each for each in held if each.name.startswith(("scale_", "shift_", "least_"))]
    return {each.name: numpy_helper.to_array(each).ravel().tolist() for each in named}


def _sheet(content: bytes, base: Path) -> _Sheet:
    try:
        card = json.loads(content)
        if card["format"] != _FORMAT:
            raise ValueError(f"format {card['format']}")
        names = set(card["files"])
        if GOLDEN not in names or not names & set(MODELS) or not names <= {GOLDEN, *MODELS}:
            raise ValueError(f"files {sorted(names)}")
        inputs = tuple(
            PixelInput(
                name=str(row["name"]),
                modality=Modality(row["modality"]),
                shape=tuple(map(int, row["shape"])),
                cut=str(row["cut"]),
            )
            for row in card["inputs"]
        )
        outputs = tuple(
            Output(name=row["name"], width=row["width"], meaning=row["meaning"], columns=tuple(row["columns"]))
            for row in card["outputs"]
        )
        tolerance = {engine: float(card["tolerance"][engine]) for engine in TOLERANCE}
        Kind(card["kind"])
        needed = (card["name"], card["label"], card["operating_points"], card["preprocessing"], card["scores"])
        _refuse_contradictions(card, inputs, outputs)
        files = {str(name): str(digest) for name, digest in card["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            expected=f"the card of an exported network in {base}", came=f"another one ({error!r})"[:160], remedy=_AGAIN
        ) from error
    if over := [engine for engine, limit in TOLERANCE.items() if not 0 <= tolerance[engine] <= limit]:
        raise ParityError(
            expected=f"a tolerance of at most {TOLERANCE[over[0]]:g} for {over[0]}",
            came=f"{tolerance[over[0]]:g} in the card of {base}",
            remedy=_AGAIN,
        )
    return _Sheet(files=files, tolerance=tolerance, inputs=inputs, outputs=outputs, scores=needed[-1], card=card)


def _refuse_contradictions(card: Mapping[str, Any], inputs: Sequence[PixelInput], outputs: Sequence[Output]) -> None:
    """What golden vectors, which go by the names of inputs, would not show.

    Raises:
        KeyError, ValueError: a card that `write_export` did not write.
    """
    if not inputs or not outputs:
        raise ValueError("no input or no output")
    if card["scores"] not in {None, *(each.name for each in outputs)} or card["polarity"] != _polarity(card["scores"]):
        raise ValueError(f"scores {card['scores']!r} and polarity {card['polarity']!r}")
    for row, each in zip(card["inputs"], inputs, strict=True):
        if row["channels"] != _channels(each.modality):
            raise ValueError(f"channels {row['channels']}")
        if card["kind"] == Kind.PRESENTATION and each.name != each.modality:
            raise ValueError(f"{each.modality} in the input {each.name}")


def _checked(path: Path, digest: str) -> bytes:
    content = existing_file(path, expected=f"{path.name} of an exported network").read_bytes()
    if sha256_of(content) != digest:
        raise DigestMismatch(expected=f"{path} as the card has it", came="other bytes", remedy=_AGAIN)
    return content


def _golden(content: bytes, sheet: _Sheet, base: Path) -> tuple[Pixels, Answers]:
    try:
        tensors = load(content)
        pixels = {each.name: tensors.pop(f"{_PIXELS}{each.name}") for each in sheet.inputs}
        answers = {each.name: tensors.pop(f"{_ANSWERS}{each.name}") for each in sheet.outputs}
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(
            expected=f"golden vectors in {base / GOLDEN}",
            came=f"something else ({type(error).__name__})",
            remedy=_AGAIN,
        ) from error
    count = next(iter(pixels.values())).size // max(1, math.prod(sheet.inputs[0].shape))
    fits = all(values.shape == (count, *each.shape) for each, values in zip(sheet.inputs, pixels.values(), strict=True))
    fits &= all(
        values.shape == (count, each.width) for each, values in zip(sheet.outputs, answers.values(), strict=True)
    )
    fits &= all(values.dtype == np.uint8 for values in pixels.values())
    most = max(sheet.tolerance.values())
    if not fits or count < LEAST or not all(_tells(values, most) for values in answers.values()):
        raise ParityError(
            expected=f"{LEAST} golden vectors or more, of the card's shapes, whose answers differ",
            came=f"{count} in {base / GOLDEN} that do not tell one network from another",
            remedy=_AGAIN,
        )
    return pixels, answers


def _tells(values: np.ndarray[Any, np.dtype[np.float32]], tolerance: float) -> bool:
    return bool(np.isfinite(values).all()) and float(np.ptp(values, axis=0).max()) > 100 * tolerance


def _answered(run: Judge, pixels: Pixels, engine: Engine) -> Answers:
    """The first vector alone and the others together: a model for one size of batch would not pass."""
    try:
        parts = [run({name: values[part] for name, values in pixels.items()}) for part in (slice(1), slice(1, None))]
    except Exception as error:  # each engine has its own, without a common root
        raise ParityError(
            expected=f"a model that takes the card's inputs in {engine}",
            came=f"{type(error).__name__}: {error}"[:160],
            remedy=_AGAIN,
        ) from error
    return {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}
