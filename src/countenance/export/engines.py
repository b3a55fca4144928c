"""Engines that run an exported network: ONNX Runtime, and OpenVINO where it is installed."""

import importlib
import importlib.util
import io
import tempfile
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from countenance.errors import DataError, UsageError

Pixels = Mapping[str, NDArray[np.uint8]]
"""For each input, by its name, (N, ...) uint8."""
Answers = Mapping[str, NDArray[np.float32]]
"""For each output, by its name, (N, width) float32."""
Judge = Callable[[Pixels], Answers]
MODEL_ONNX: Final = "model.onnx"
MODEL_XML: Final = "model.xml"
MODEL_BIN: Final = "model.bin"
MODELS: Final = (MODEL_ONNX, MODEL_XML, MODEL_BIN)


class Engine(StrEnum):
    """What runs the network; in float32 each."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


TOLERANCE: Final[Mapping[Engine, float]] = {Engine.ONNXRUNTIME: 2e-5, Engine.OPENVINO: 2e-5}
"""How far from the golden vectors an engine's answers may be; see `golden.apart`. A card may not state more."""


def engine_named(name: str) -> Engine:
    """Return an engine.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in set(Engine):
        raise UsageError(expected=f"an engine: {', '.join(Engine)}", came=repr(name), remedy="name one of them")
    return Engine(name)


def has_openvino() -> bool:
    """Tell whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def onnx_session(content: bytes, threads: int) -> Any:
    """Return an ONNX file in ONNX Runtime, with so many processor threads for one call."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def as_intermediate(model: bytes) -> dict[str, bytes]:
    """Return an ONNX file as OpenVINO's own, by the names of its two files, with its numbers in float32.

    Raises:
        UsageError: OpenVINO is not installed.
    """
    library = _openvino_library()
    with tempfile.TemporaryDirectory() as folder:
        library.save_model(
            library.Core().read_model(io.BytesIO(model)), str(Path(folder, MODEL_XML)), compress_to_fp16=False
        )
        return {name: Path(folder, name).read_bytes() for name in (MODEL_XML, MODEL_BIN)}


def running(files: Mapping[str, bytes], engine: Engine, *, threads: int = 1) -> Judge:
    """Return a function that runs a model.

    Args:
        files: the bytes of `MODELS`, of those that there are.
        engine: what runs it.
        threads: processor threads for one call.

    Raises:
        UsageError: there is no file that this engine reads, or it is not installed.
        DataError: it cannot read the file.
    """
    if engine is Engine.ONNXRUNTIME and MODEL_ONNX not in files:
        raise UsageError(
            expected=f"an export with {MODEL_ONNX}, for {engine}", came="one for OpenVINO", remedy="export it as onnx"
        )
    library = None if engine is Engine.ONNXRUNTIME else _openvino_library()
    try:
        return _in_onnxruntime(files, threads) if library is None else _in_openvino(library, files, threads)
    except Exception as error:  # each engine has its own, without a common root
        raise DataError(
            expected=f"a model that {engine} reads",
            came=f"{type(error).__name__}: {error}"[:160],
            remedy="export the network anew",
        ) from error


def _in_onnxruntime(files: Mapping[str, bytes], threads: int) -> Judge:
    session = onnx_session(files[MODEL_ONNX], threads)
    names = [each.name for each in session.get_outputs()]

    def run(pixels: Pixels) -> Answers:
        found = session.run(names, {name: np.ascontiguousarray(values) for name, values in pixels.items()})
        return dict(zip(names, found, strict=True))

    return run


def _in_openvino(library: Any, files: Mapping[str, bytes], threads: int) -> Judge:
    core = library.Core()
    if MODEL_XML in files:
        model = core.read_model(model=files[MODEL_XML], weights=files[MODEL_BIN])
    else:
        model = core.read_model(io.BytesIO(files[MODEL_ONNX]))
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    compiled = core.compile_model(model, "CPU", {**settings, "ENABLE_CPU_PINNING": False})
    names = [output.get_any_name() for output in model.outputs]

    def run(pixels: Pixels) -> Answers:
        found = compiled({name: np.ascontiguousarray(values) for name, values in pixels.items()})
        return {name: np.array(found[name]) for name in names}

    return run


def _openvino_library() -> Any:
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise UsageError(
            expected="OpenVINO", came="none here", remedy='pip install "countenance[engines]", or name onnxruntime'
        ) from error
