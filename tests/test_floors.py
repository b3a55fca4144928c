"""The floors law: imports run downward, name the file, and never close a ring; the arithmetic needs no torch."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import countenance.errors

PACKAGE = Path(countenance.errors.__file__).parent
FLOORS = (
    "errors vocabulary files progress",
    "scores score_formats metrics names",
    "images threads processes mosaic published vault receipts policy",
    "faces clips transforms synthesis",
    "datasets networks losses tracking",
    "training scoring checkpoints weights loading foreign_checkpoints activation_maps",
    "attacks protocols challenge evaluation conformal drawn_sets presentation_scoring clip_scoring run_history trained "
    "trained_facelivenet transfer",
    "systems released shipped recognisers presentation_training ensemble_scoring window_scoring clip_authentication "
    "screening gallery",
    "store admission",
    "recipes report export bulk authentication gate expression_reading screen_calibration presentation_check "
    "verification_check reproduction demonstration explanation",
    "service bench console attack_report gate_demonstration",
    "verbs",
    "cli __init__ __main__",
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}
ON_ONE_FLOOR: Mapping[tuple[str, str], str] = {  # (who, sees whom): why
    ("files", "errors"): "a file that is not there is said in words",
    ("score_formats", "scores"): "the formats of others become our tables",
    ("metrics", "scores"): "errors are counted in tables",
    ("reproduction", "recipes"): "a table may be trained for",
    ("reproduction", "report"): "and its hard samples shown",
    ("demonstration", "report"): "the demonstration ends in a report",
    ("demonstration", "recipes"): "and trains a small ensemble",
    ("recognisers", "released"): "a recogniser has one name, wherever it comes from",
    ("recognisers", "shipped"): "likewise",
    ("window_scoring", "ensemble_scoring"): "several networks of clips are reported as those of stills",
    ("recipes", "gate"): "a recipe may be of the whole gate",
    ("gate", "export"): "a gate runs the exported form of its networks",
    ("bulk", "export"): "a set may be scored by an exported network",
    ("explanation", "authentication"): "what is explained has been decided",
    ("explanation", "report"): "and is shown on a sheet",
}
WITHOUT_TORCH = [*" ".join(FLOORS[:2]).split(), "evaluation", "conformal", "protocols"]
HEAVY = ("torch", "torchvision", "safetensors", "cv2", "PIL", "onnx", "onnxruntime", "openvino", "nncf")
UPWARD = "scores (floor 1) imports images (floor 2)"
HOMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


def dotted(file: Path, package: Path) -> str:
    """The module's name inside the package: metrics.counts, metrics (its __init__), __init__ (the package's own)."""
    parts = file.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def below(node: ast.AST) -> Iterable[ast.AST]:
    """What stands directly below a node, without what only a type checker imports."""
    if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        return node.orelse
    return ast.iter_child_nodes(node)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below, those inside functions too."""
    for child in below(node):
        yield child
        yield from statements(child)


def named_in(node: ast.AST, home: list[str]) -> list[str]:
    """The modules that one node imports, by their full names; `home` is the package that the file lies in."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            above = home[: len(home) + 1 - node.level] if node.level else []
            return [".".join([*above, *([node.module] if node.module else [])])]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(module)), *_]):
            return [module] if name in {"import_module", "__import__"} else []
    return []


def imports(file: Path, package: Path) -> Iterator[str]:
    """The modules of the package that `file` imports, by their names inside it ("" is the package itself)."""
    home = [package.name, *file.relative_to(package).parts[:-1]]
    for node in statements(ast.parse(file.read_text(encoding="utf-8"))):
        for name in named_in(node, home):
            top, _, inner = name.partition(".")
            if top == package.name:
                yield inner


def fault(source: str, target: str, package: Path) -> str | None:
    """What is wrong with one import, if anything."""
    file = package.joinpath(*target.split("."))
    if not target or file.is_dir():
        return f"{source} imports the package {target or package.name}, not a file in it"
    if not file.with_suffix(".py").is_file():
        return f"{source} imports {target}, which is no file"
    here, there = source.partition(".")[0], target.partition(".")[0]
    if here == there or (here, there) in ON_ONE_FLOOR or here not in FLOOR_OF or there not in FLOOR_OF:
        return None
    if FLOOR_OF[there] < FLOOR_OF[here]:
        return None
    return f"{source} (floor {FLOOR_OF[here]}) imports {target} (floor {FLOOR_OF[there]})"


def faults(package: Path) -> list[str]:
    """Every breach of the law in the tree of `package`."""
    found, graph = [], {}
    for file in sorted(package.rglob("*.py")):
        source = dotted(file, package)
        if source.partition(".")[0] not in FLOOR_OF:
            found.append(f"{source} has no floor")
        if HOMELESS & set(source.split(".")):
            found.append(f"{source} is a function without a home")
        graph[source] = set(imports(file, package))
        found += filter(None, (fault(source, target, package) for target in sorted(graph[source])))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("ring: " + " -> ".join(error.args[1]))
    return found


def test_imports_run_downward():
    assert faults(PACKAGE) == []


def test_the_table_holds_no_exception_that_nobody_needs():
    used = {
        (dotted(file, PACKAGE).partition(".")[0], target.partition(".")[0])
        for file in PACKAGE.rglob("*.py")
        for target in imports(file, PACKAGE)
    }
    assert set(ON_ONE_FLOOR) <= used
    assert all(FLOOR_OF[here] == FLOOR_OF[there] for here, there in ON_ONE_FLOOR)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("images.py", "from countenance.errors import NoFace", None),
        ("metrics/intervals.py", "import countenance.metrics.counts as counts", None),
        ("metrics/intervals.py", "from .counts import Proportion", None),
        ("evaluation.py", "from countenance.scores import ScoreTable\nimport json, torch", None),
        ("images.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import countenance.evaluation", None),
        ("images.py", "import countenanced\nimport_module('json')", None),
        ("scores.py", "from countenance.images import read", UPWARD),
        ("scores.py", "import countenance.images", UPWARD),
        ("scores.py", "from .images import read", UPWARD),
        ("scores.py", "def f():\n    from countenance.images import read", UPWARD),
        ("scores.py", "try:\n    import countenance.images\nexcept ImportError: ...", UPWARD),
        ("scores.py", "import importlib\nimportlib.import_module('countenance.images')", UPWARD),
        ("scores.py", "if TYPE_CHECKING: ...\nelse:\n    import countenance.images", UPWARD),
        ("scores.py", "from countenance.metrics.counts import x", "scores (floor 1) imports metrics.counts (floor 1)"),
        ("metrics/__init__.py", "import countenance.images", "metrics (floor 1) imports images (floor 2)"),
        ("evaluation.py", "import countenance.protocols.table", "(floor 6) imports protocols.table (floor 6)"),
        ("vocabulary.py", "import countenance.files", "vocabulary (floor 0) imports files (floor 0)"),
        ("images.py", "from countenance.metrics import counts", "imports the package metrics, not a file in it"),
        ("images.py", "import countenance.metrics", "imports the package metrics, not a file in it"),
        ("images.py", "from countenance import errors", "imports the package countenance, not a file in it"),
        ("images.py", "from . import errors", "imports the package countenance, not a file in it"),
        ("metrics/counts.py", "from . import intervals", "imports the package metrics, not a file in it"),
        ("images.py", "import countenance.gone", "images imports gone, which is no file"),
        ("utils.py", "", "utils has no floor"),
        ("metrics/helpers.py", "", "metrics.helpers is a function without a home"),
        ("common/images.py", "", "common.images is a function without a home"),
        ("novelty.py", "", "novelty has no floor"),
        ("metrics/counts.py", "import countenance.metrics.intervals", "ring: metrics."),
        ("metrics/counts.py", "def f():\n    from .intervals import g", "ring: metrics."),
    ],
)  # fmt: skip
def test_a_planted_breach_is_found(tmp_path, file, content, words):
    package = tmp_path / "countenance"
    tree = "__init__ errors files vocabulary scores images evaluation metrics/__init__ metrics/counts protocols/table"
    ring = {"metrics/intervals.py": "from countenance.metrics.counts import Proportion"}
    for name, text in {**{f"{name}.py": "" for name in tree.split()}, **ring, file: content}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    found = faults(package)
    if words is None:
        assert found == []
    else:
        assert [fault for fault in found if words in fault], found


def import_without(heavy: tuple[str, ...], modules: list[str], folder: Path) -> str:
    """Import `modules` of `folder` in a fresh process where `heavy` cannot be imported; return what it complains of."""
    lines = ["import sys, importlib", f"sys.path.insert(0, {str(folder)!r})"]
    lines += [
        f"sys.modules.update(dict.fromkeys({heavy!r}))",
        f"for name in {modules!r}: importlib.import_module(name)",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def test_the_arithmetic_needs_no_torch():
    files = [file for room in WITHOUT_TORCH for file in [PACKAGE / f"{room}.py", *(PACKAGE / room).glob("*.py")]]
    modules = [f"countenance.{dotted(file, PACKAGE)}" for file in files if file.is_file()]
    assert {"countenance.scores", "countenance.metrics.counts", "countenance.protocols.casia_surf"} <= set(modules)
    assert import_without(HEAVY, modules, PACKAGE.parent) == ""


@pytest.mark.parametrize("heavy", HEAVY)
def test_a_heavy_import_would_be_seen(tmp_path, heavy):
    (tmp_path / "planted.py").write_text(f"import {heavy}\n")
    assert f"import of {heavy} halted" in import_without((heavy,), ["planted"], tmp_path)
