"""The page's files as they are served, without a browser."""

import json
import re
import subprocess
from html.parser import HTMLParser
from shutil import which

import pytest
from tests.service.conftest import ANN

from countenance.service.operation_routes import PAGE
from countenance.vocabulary import Action, Reason

SCRIPTS = sorted(file.name for file in PAGE.glob("*.js"))
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def text(name):
    return (PAGE / name).read_text(encoding="utf-8")


def part(pattern, name):
    found = re.search(pattern, text(name), re.DOTALL)
    assert found is not None, pattern
    return found.group(1)


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self.feed(text("index.html"))

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def elements():
    return Elements().found


@pytest.fixture(scope="module")
def ids(elements):
    found = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(found) == len(set(found)), "an id twice"
    return set(found)


def test_each_file_is_served_with_its_kind_and_the_headers_that_browsers_obey(service):
    files = {"/": "index.html"} | {f"/page/{file.name}": file.name for file in PAGE.iterdir() if file.is_file()}
    assert len(files) >= 6
    for address, name in files.items():
        answer = service.client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"].partition(";")[0] == KINDS["." + name.rpartition(".")[2]]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["permissions-policy"].startswith("camera=(self)")
        rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        assert answer.content == (PAGE / name).read_bytes()


def test_nothing_else_is_served_from_the_folder(service):
    for name in ("page.py", "..%2fsettings.py", "%2e%2e/settings.py", "none.js"):
        assert service.client.get(f"/page/{name}").status_code == 404


def test_no_script_and_no_style_stands_in_the_page(elements):
    for tag, attributes in elements:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "script" or attributes["src"].startswith("/page/")


def test_everything_comes_from_the_service(elements):
    named = [value for _, each in elements for name, value in each.items() if name in ("src", "href", "action")]
    assert named
    for address in named:
        assert address.startswith(("/page/", "#")), address
    for name in [*SCRIPTS, "page.css"]:
        assert not re.findall(r"(?:https?:)?//[a-z]+\.[a-z]|@import|eval\(|innerHTML|outerHTML", text(name)), name


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_import_is_a_file_that_gives_that_name(name):
    for names, source in re.findall(r"^import \{([^}]*)\} from \"\./([^\"]+)\";", text(name), re.MULTILINE):
        assert source in SCRIPTS
        for wanted in filter(None, (each.strip() for each in names.split(","))):
            assert re.search(rf"^export (?:const|class) {wanted}\b", text(source), re.MULTILINE), (wanted, source)


def test_every_id_that_is_asked_for_is_in_the_page(ids):
    script = "".join(map(text, SCRIPTS))
    lists = part(r"const PANELS = \[([^\]]*)\]", "page.js") + part(r"const PARTS = \[([^\]]*)\]", "page.js")
    asked = set(re.findall(r"\$\(\"([^\"]+)\"\)", script)) | set(re.findall(r"\"([^\"]+)\"", lists))
    asked |= set(re.findall(r"#([a-z-]+)(?:\[| |:|\.|\{)", re.sub(r"#[0-9a-f]{6}", "", text("page.css"))))
    for listed in re.findall(r"(?:shown|pressed|stand)\(([^)]*)\)", script):
        asked |= set(re.findall(r"\"([a-z-]+)\"", listed))
    asked |= {f"{first}{view}{end}" for view in views() for first, end in (("to-", ""), ("", "-form"))}
    assert len(asked) > 40
    assert asked <= ids


def test_what_labels_and_descriptions_point_to_is_in_the_page(elements, ids):
    for _, attributes in elements:
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            assert set((attributes.get(name) or "").split()) <= ids
    labelled = {attributes.get("for") for tag, attributes in elements if tag == "label"}
    for tag, attributes in elements:
        if tag in ("input", "select", "progress") and attributes.get("type") != "checkbox":
            assert attributes["id"] in labelled, attributes


def views():
    return re.findall(r"^  \"?([a-z-]+)\"?: \"", part(r"VIEWS = \{([^}]*)\}", "words.js"), re.MULTILINE)


def test_whoever_cannot_do_something_can_say_so_of_every_action(elements):
    offered = [
        action
        for _, attributes in elements
        if attributes.get("name") == "without"
        for action in attributes["value"].split()
    ]
    assert sorted(offered) == sorted(Action)


def test_every_reason_reaches_the_page_in_a_sentence_of_its_own(service):
    session = service.begin()
    service.gate.reasons = tuple(Reason)
    advice = service.conclude(session).json()["advice"]
    assert [each["reason"] for each in advice] == list(Reason)
    assert len({each["text"] for each in advice}) == len(Reason)
    assert all(re.fullmatch(r"[A-Z][^0-9]{8,}\.", each["text"]) for each in advice)


def test_every_reason_that_refuses_a_request_has_words_in_the_page():
    words = part(r"const REASONS = \{(.*?)\n\};", "words.js")
    served = "".join(file.read_text(encoding="utf-8") for file in PAGE.parent.glob("*.py"))
    refusing = {Reason[name] for name in re.findall(r"(?:reason=|, )Reason\.([A-Z_]+)[,)]", served)}
    assert {Reason.LOCKED, Reason.TOO_LATE, Reason.USED_BEFORE} <= refusing
    assert refusing == {Reason(name) for name in re.findall(r"^  ([a-z_]+): \(", words, re.MULTILINE)}


def test_no_score_is_named_and_none_is_sent(service):
    assert not re.findall(r"\bscores?\b|similarity|threshold", "".join(map(text, [*SCRIPTS, "index.html"])))
    _, concluded = service.whole(subject=ANN)
    assert "score" not in json.dumps(concluded.json())


@pytest.mark.skipif(which("node") is None, reason="no node, which reads scripts without running them")
@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_can_be_read(name, tmp_path):
    module = tmp_path / f"{name}.mjs"
    module.write_text(text(name), encoding="utf-8")
    read = subprocess.run(["node", "--check", module], capture_output=True, text=True, check=False)
    assert not read.returncode, read.stderr
