"""countenance: face authentication that holds up to attack, measured.

What a verb of the command line does is one function here::

    import countenance as cn

    decision = cn.check("photo.jpg")
    evaluation = cn.evaluate(cn.read_scores("scores.csv"), threshold=0.5)

Names are resolved when they are first used (PEP 562), so that the arithmetic works where torch is not installed.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from countenance.authentication import SensorDecision, VerificationDecision, check, verify
    from countenance.bulk import score
    from countenance.clip_authentication import ClipDecision
    from countenance.conformal import Calibration, calibrate
    from countenance.datasets.named import inspect_named
    from countenance.demonstration import demonstrate
    from countenance.drawn_sets.named import synthesize
    from countenance.errors import CountenanceError
    from countenance.evaluation import Evaluation, evaluate
    from countenance.explanation import Explanation, explain
    from countenance.export.folder import Exported, ExportReport, export_network, read_export
    from countenance.expression_reading import ReadExpression, read_expressions
    from countenance.gate.attempts import Attempt, IssuedChallenge, authenticate, issue_challenge
    from countenance.gate.identification import Identification, identify_photograph
    from countenance.gate.local import (
        LocalEnrolment,
        audit_gallery,
        enrol,
        export_subject,
        forget,
        list_people,
    )
    from countenance.gate.upkeep import (
        backup_gallery,
        purge_gallery,
        restore_gallery,
        rotate_gallery,
        vault_keys,
        verify_audit,
    )
    from countenance.images import read_image
    from countenance.metrics.operating_point import OperatingPoint
    from countenance.recipes.mlfa import MlfaRecipe, train_mlfa
    from countenance.recipes.named import Wishes, train
    from countenance.recipes.pretraining import PretrainingRecipe, pretrain
    from countenance.recipes.slim_pad import SlimPadRecipe, train_slim_pad
    from countenance.report.page import write_report
    from countenance.reproduction import reproduce
    from countenance.score_formats import read_label_list, read_scores, write_bob, write_challenge
    from countenance.scores import (
        ComparisonTable,
        PresentationTable,
        comparison_table,
        mean_of,
        presentation_table,
        write_table,
    )
    from countenance.vocabulary import Decision

__version__ = "0.1.0"

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""ONNX Runtime 1.31 reports to its makers from its import on, unless it is told not to before."""

_HOMES = {
    "SensorDecision": "authentication",
    "VerificationDecision": "authentication",
    "check": "authentication",
    "verify": "authentication",
    "score": "bulk",
    "Calibration": "conformal",
    "calibrate": "conformal",
    "ClipDecision": "clip_authentication",
    "inspect_named": "datasets.named",
    "demonstrate": "demonstration",
    "synthesize": "drawn_sets.named",
    "CountenanceError": "errors",
    "Evaluation": "evaluation",
    "evaluate": "evaluation",
    "Explanation": "explanation",
    "explain": "explanation",
    "ExportReport": "export.folder",
    "Exported": "export.folder",
    "export_network": "export.folder",
    "read_export": "export.folder",
    "ReadExpression": "expression_reading",
    "read_expressions": "expression_reading",
    "Attempt": "gate.attempts",
    "IssuedChallenge": "gate.attempts",
    "authenticate": "gate.attempts",
    "issue_challenge": "gate.attempts",
    "Identification": "gate.identification",
    "identify_photograph": "gate.identification",
    "LocalEnrolment": "gate.local",
    "audit_gallery": "gate.local",
    "enrol": "gate.local",
    "export_subject": "gate.local",
    "forget": "gate.local",
    "list_people": "gate.local",
    "backup_gallery": "gate.upkeep",
    "purge_gallery": "gate.upkeep",
    "restore_gallery": "gate.upkeep",
    "rotate_gallery": "gate.upkeep",
    "vault_keys": "gate.upkeep",
    "verify_audit": "gate.upkeep",
    "read_image": "images",
    "OperatingPoint": "metrics.operating_point",
    "write_report": "report.page",
    "MlfaRecipe": "recipes.mlfa",
    "train_mlfa": "recipes.mlfa",
    "Wishes": "recipes.named",
    "train": "recipes.named",
    "PretrainingRecipe": "recipes.pretraining",
    "pretrain": "recipes.pretraining",
    "SlimPadRecipe": "recipes.slim_pad",
    "train_slim_pad": "recipes.slim_pad",
    "reproduce": "reproduction",
    "read_label_list": "score_formats",
    "read_scores": "score_formats",
    "write_bob": "score_formats",
    "write_challenge": "score_formats",
    "ComparisonTable": "scores",
    "PresentationTable": "scores",
    "comparison_table": "scores",
    "mean_of": "scores",
    "presentation_table": "scores",
    "write_table": "scores",
    "Decision": "vocabulary",
}

__all__ = [
    "Attempt",
    "Calibration",
    "ClipDecision",
    "ComparisonTable",
    "CountenanceError",
    "Decision",
    "Evaluation",
    "Explanation",
    "ExportReport",
    "Exported",
    "Identification",
    "IssuedChallenge",
    "LocalEnrolment",
    "MlfaRecipe",
    "OperatingPoint",
    "PresentationTable",
    "PretrainingRecipe",
    "ReadExpression",
    "SensorDecision",
    "SlimPadRecipe",
    "VerificationDecision",
    "Wishes",
    "__version__",
    "audit_gallery",
    "authenticate",
    "backup_gallery",
    "calibrate",
    "check",
    "comparison_table",
    "demonstrate",
    "enrol",
    "evaluate",
    "explain",
    "export_network",
    "export_subject",
    "forget",
    "identify_photograph",
    "inspect_named",
    "issue_challenge",
    "list_people",
    "mean_of",
    "presentation_table",
    "pretrain",
    "purge_gallery",
    "read_export",
    "read_expressions",
    "read_image",
    "read_label_list",
    "read_scores",
    "reproduce",
    "restore_gallery",
    "rotate_gallery",
    "score",
    "synthesize",
    "train",
    "train_mlfa",
    "train_slim_pad",
    "vault_keys",
    "verify",
    "verify_audit",
    "write_bob",
    "write_challenge",
    "write_report",
    "write_table",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
