"""The verb that writes a network for other engines."""

from pathlib import Path

from tyro.conf import Positional

from countenance.verbs.answers import ACCEPTED, printed


def export(network: Positional[str], *, out: Path, format: str | None = None, json: bool = False) -> int:  # noqa: A002 - the word that the command line shows
    """Write a network for other engines, with its preprocessing, thresholds and golden vectors, once these agree.

    Args:
        network: mlfa-slim, mlfa-distilled, gate-slim, fewframe-slim, facelivenet-slim, facelivenet-full, minifasnet,
            sface, fr_feature, or the folder of a run.
        out: a new folder; score takes one of still presentations as a network.
        format: onnx, openvino, or both with a comma between; onnx by default, and openvino where it is installed.
        json: print one JSON object.
    """
    from countenance.export.folder import export_network

    done = export_network(network, out, formats=format)
    card = {
        "files": [str(file) for file in done.files],
        "max_difference": max(done.max_difference.values()),
        "differences": {str(engine): apart for engine, apart in done.max_difference.items()},
        "digest": done.digest,
        "label": done.label,
        "out": str(out),
    }
    if not printed(card, wanted=json):
        if done.label:
            print(f"*** {done.label} ***")
        for engine, apart in done.max_difference.items():
            print(f"{engine}: within {apart:.1e} of PyTorch's answers")
        print(f"The export: {out} (SHA-256 of its card {done.digest})")
    return ACCEPTED
