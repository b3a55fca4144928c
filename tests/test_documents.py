"""The documents: the README's code runs, links lead somewhere, and no word of a template is left."""

import re
from pathlib import Path

import pytest

import countenance

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_the_readme_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own README
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("accept at 0.")
    assert said[0].endswith("rule apcer:0.05, chosen on development")
    assert any(line.startswith("BPCER: ") for line in said)
    assert said[-1].startswith("expected a picture") or "no file at photo.jpg" in said[-1]
    assert (tmp_path / "runs" / "report.html").is_file()


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
