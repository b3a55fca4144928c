"""The documents: the README's code runs, links lead somewhere, and no word of a template is left."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import countenance
from countenance import demonstration

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_the_readme_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demonstration, "SUBJECTS", 10)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own README
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("accept at 0.")
    assert said[0].endswith("rule apcer:0.05, chosen on development")
    assert any(line.startswith("BPCER: ") for line in said)
    assert said[-1].startswith("expected a picture") or "no file at photo.jpg" in said[-1]
    assert (tmp_path / "runs" / "report.html").is_file()


def test_the_clip_example_prints_its_row_of_the_table(tmp_path, monkeypatch, capsys, real, pulled):
    pulled("yunet")
    (tmp_path / "clip.mp4").symlink_to(real("clips/single_face.mp4"))
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "clips.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "clips.md", "exec"), {})  # noqa: S102 - our own page
    said = capsys.readouterr().out.splitlines()
    assert said == ["72 frames at 30.00 a second, 72 show the face", "it stays to the end"]
    assert "| `single_face.mp4` | 72 | 30.00 | 640 x 360 | 72 | one face, to the end |" in page


def test_the_leak_audit_example_names_what_is_there():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "drawn-world.md").read_text(), re.DOTALL)
    people = re.sub(r"subjects=50", "subjects=5, draw=draw", code)
    told: list[str] = []
    exec(compile(people, "drawn-world.md", "exec"), {"draw": grey_clip, "print": told.append})  # noqa: S102 - our own page
    assert [line.partition(":")[0] for line in told] == ["mask area", "rgb", "infrared", "depth"]


def grey_clip(spec):
    """Two frames of noise in the shape of a drawn clip."""
    generator = np.random.default_rng([spec.subject, spec.species.number])
    rgb, (infrared, depth) = generator.integers(0, 2, (2, 8, 8, 3), np.uint8), generator.integers(0, 9, (2, 2, 8, 8))
    return SimpleNamespace(rgb=rgb, infrared=infrared, depth_view=depth)


def test_the_readme_names_the_two_commands_and_every_document():
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme
    assert all(f"docs/{path.name}" in readme for path in ROOT.glob("docs/*.md"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path):
    for target in re.findall(r"\]\(([^)#]+?)\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_placeholder_is_left(path):
    assert not re.search(r"@@|TODO|FIXME|XXX|lorem", path.read_text())


def test_every_public_name_resolves():
    for name in countenance.__all__:
        assert getattr(countenance, name) is not None
    assert set(dir(countenance)) == set(countenance.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        countenance.nonsense  # noqa: B018


def test_the_version_is_one():
    assert f'version = "{countenance.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"version: {countenance.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {countenance.__version__}" in (ROOT / "CHANGELOG.md").read_text()
