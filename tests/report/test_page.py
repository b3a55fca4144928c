"""The page: self-contained, escaped, the same bytes, every figure in its row, and honest about its threshold."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from countenance.errors import UsageError
from countenance.evaluation import Evaluation, evaluate
from countenance.report.page import write_report
from countenance.report.plots import NO_BREAK, as_percent
from countenance.scores import PresentationTable, comparison_table, presentation_table, text

HOSTILE = "<script>alert('x')</script>\"&{{ 7 * 7 }}"
NOTICE = "The threshold was chosen on the very scores that it is applied to."


def presentations(rows: int, seed: int, *, gap: float = 2.0, species: tuple[str, ...] = ("mask", "print")):
    generator = np.random.default_rng(seed)
    bona_fide = np.arange(rows) % 3 == 0
    return presentation_table(
        identifiers=[f"{seed}-{row}" for row in range(rows)],
        is_bona_fide=bona_fide,
        scores=generator.normal(np.where(bona_fide, gap, -gap), 1.5),
        subjects=[f"s{row % 20}" for row in range(rows)],
        species=["" if real else species[row % len(species)] for row, real in enumerate(bona_fide)],
    )


def judged(**options: object) -> Evaluation:
    return evaluate(presentations(600, 1), development=presentations(300, 2), resamples=40, **options)  # type: ignore[arg-type]


def tuned() -> Evaluation:
    return evaluate(presentations(600, 1), resamples=40)


def compared(threshold: float | None = 0.5) -> Evaluation:
    generator = np.random.default_rng(3)
    mated = np.arange(300) % 2 == 0
    table = comparison_table(
        identifiers=[str(row) for row in range(300)],
        references=[f"r{row % 40}" for row in range(300)],
        probes=[f"p{row}" for row in range(300)],
        is_mated=mated,
        scores=generator.normal(np.where(mated, 0.6, 0.2), 0.2),
        folds=[str(row // 60) for row in range(300)],
    )
    return evaluate(table, threshold=threshold, resamples=40)


EVALUATIONS = pytest.mark.parametrize("make", [judged, tuned, compared, lambda: compared(None)])


class Reader(HTMLParser):
    """Collects words, tags, table rows and headline cards."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.cards: list[str] = []
        self._open: list[list[str]] = []
        self._skipped = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._skipped = tag == "style"
        if tag == "tr":
            self._open.append([])
        elif tag in {"td", "th"}:
            self._open[-1].append("")
        if dict(attrs).get("class") == "card":
            self.cards.append("")
        if tag == "section":
            self.cards.append("")

    def handle_endtag(self, tag: str) -> None:
        self._skipped = False
        if tag == "tr":
            self.rows.append([" ".join(cell.split()) for cell in self._open.pop()])

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        self.words += data
        if self._open and self._open[-1]:
            self._open[-1][-1] += data
        if self.cards:
            self.cards[-1] += data


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.words = " ".join(reader.words.split())
    return reader


def report(evaluation: Evaluation, folder: Path, **options: object) -> Reader:
    page, _ = write_report(evaluation, folder / "report.html", command="countenance evaluate", **options)  # type: ignore[arg-type]
    return read(page)


@EVALUATIONS
def test_the_page_needs_nothing_else(make, tmp_path) -> None:
    reader = report(make(), tmp_path)
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not {"script", "link", "img", "iframe", "object", "base"} & {tag for tag, _ in reader.tags}
    assert not [names for _, names in reader.tags if {"src", "href", "xlink:href", "onload"} & set(names)]
    assert not re.search(r"https?://|@import|url\(", content)
    assert [tag for tag, _ in reader.tags].count("svg") - len(re.findall('class="bar"', content)) == 3


def test_hostile_names_are_words_on_the_page(tmp_path) -> None:
    evaluation = evaluate(
        presentations(60, 1, species=(HOSTILE, "\N{SNOWMAN}")), threshold=0.5, resamples=0, label=HOSTILE
    )
    page, card = write_report(
        evaluation, tmp_path / "r.html", command=f"run {HOSTILE} \udcff", title=HOSTILE, sources=[HOSTILE]
    )
    reader = read(page)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert reader.words.count(HOSTILE) >= 6  # title, heading, label, command, source, species
    assert json.loads(card.read_text())["sources"] == [HOSTILE]


@EVALUATIONS
def test_the_same_evaluation_gives_the_same_bytes(make, tmp_path) -> None:
    first = write_report(make(), tmp_path / "a" / "r.html", command="c")
    second = write_report(make(), tmp_path / "b" / "r.html", command="c")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name for path in first] == ["r.html", "r.json"]


@EVALUATIONS
def test_every_measure_stands_in_its_row(make, tmp_path) -> None:
    evaluation = make()
    rows = report(evaluation, tmp_path).rows
    for measure in evaluation.measures:
        (row,) = (
            row for row in rows if len(row) == 5 and re.sub(r" (described|less than).*", "", row[0]) == measure.name
        )
        assert row[1] == as_percent(measure.value).replace(NO_BREAK, " ")
        assert row[2] == (f"{measure.count.count:,} of {measure.count.trials:,}" if measure.count else "")
        assert bool(row[3]) == (measure.interval is not None)
        assert bool(row[4]) == (measure.bootstrap is not None)
        assert ("described, not an error rate" in row[0]) == (measure.about == "described")


@EVALUATIONS
def test_the_headline_says_what_it_may(make, tmp_path) -> None:
    evaluation = make()
    reader = report(evaluation, tmp_path)
    cards = [" ".join(card.split()) for card in reader.cards]
    shown = [card for card in cards if any(card.startswith(measure.name) for measure in evaluation.headline)]
    assert len(shown) == len(evaluation.headline) >= 2
    assert (NOTICE in reader.words) == ("--development" in reader.words) == evaluation.tuned_on_test
    if evaluation.tuned_on_test:
        assert not [card for card in cards if re.match(r"(APCER|BPCER|FMR|FNMR|ACER|HTER)\b", card)]
    for measure, card in zip(evaluation.headline, shown, strict=True):
        assert as_percent(measure.value).replace(NO_BREAK, " ") in card
        if measure.count:
            assert f"{measure.count.count:,} of {measure.count.trials:,}" in card


def test_without_an_error_the_headline_shows_the_exact_interval(tmp_path) -> None:
    evaluation = evaluate(presentations(600, 1, gap=20), threshold=0.0, resamples=40)
    reader = report(evaluation, tmp_path)
    (card,) = (card for card in reader.cards if card.strip().startswith("BPCER"))
    assert " ".join(card.split()).startswith("BPCER 0 % 0 of 200 95 % interval 0 to 1.83 % exact, Clopper-Pearson")
    assert "always 0 %" in reader.words


def test_label_command_sources_and_digest_are_on_the_page(tmp_path) -> None:
    evaluation = judged(label="drawn data: says nothing about a real camera")
    words = report(evaluation, tmp_path, sources=["a.csv", "b.csv"]).words
    for shown in (
        evaluation.label,
        "countenance evaluate",
        "a.csv",
        "b.csv",
        evaluation.table.digest,
        "by 20 subjects",
    ):
        assert shown in words
    assert evaluation.label not in report(judged(), tmp_path).words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("eer", "midpoint rule of bob.measure"),
        ("min-hter", "the smallest sum"),
        ("max-accuracy", "the fewest wrong decisions"),
        ("fpr:0.01", "at most 1.00 % of all negatives"),
        ("apcer:0.05", "no attack species has an APCER above 5.00 %"),
        ("bpcer:0.1", "refuses at most 10.00 %"),
    ],
)
def test_the_rule_is_told_in_words(rule, words, tmp_path) -> None:
    page = report(judged(rule=rule), tmp_path).words
    assert words in page
    assert "chosen on the development scores" in page


def test_the_worst_species_is_marked_once(tmp_path) -> None:
    evaluation = judged()
    rows = [row for row in report(evaluation, tmp_path).rows if len(row) == 7][1:]
    assert [row[0].removesuffix(" worst") for row in rows] == list(evaluation.counts["species"])  # type: ignore[call-overload]
    (worst,) = (row[0] for row in rows if row[0].endswith(" worst"))
    assert worst.removesuffix(" worst") in next(m.name for m in evaluation.measures if m.key == "apcer_worst")


def test_folds_are_listed_with_their_thresholds(tmp_path) -> None:
    evaluation = compared()
    assert evaluation.accuracy is not None
    rows = [row for row in report(evaluation, tmp_path).rows if len(row) == 4][1:]
    assert [row[0] for row in rows[:5]] == ["0", "1", "2", "3", "4"]
    assert [row[3] for row in rows[:5]] == [f"{threshold:.6g}" for threshold in evaluation.accuracy.thresholds]
    tail = (evaluation.accuracy.mean, evaluation.accuracy.std, evaluation.accuracy.standard_error)
    assert [row[1] for row in rows[5:]] == [as_percent(value).replace(NO_BREAK, " ") for value in tail]


@EVALUATIONS
def test_what_the_sample_cannot_show_is_said(make, tmp_path) -> None:
    evaluation = make()
    words = report(evaluation, tmp_path).words
    assert evaluation.sample_size
    for sentence in evaluation.sample_size:
        assert sentence in words


@EVALUATIONS
def test_the_card_is_the_evaluation_and_its_origin(make, tmp_path) -> None:
    evaluation = make()
    _, card = write_report(evaluation, tmp_path / "r.html", command="c", sources=("s.csv",))
    content = json.loads(card.read_text())
    version = content.pop("version")
    assert re.fullmatch(r"\d+\.\d+.*", version)
    assert (content.pop("command"), content.pop("sources")) == ("c", ["s.csv"])
    assert content == json.loads(json.dumps(evaluation.as_json()))


def test_a_rate_without_a_trial_is_a_dash_and_null(tmp_path) -> None:
    table = PresentationTable(
        identifiers=text(list("abcd")),
        is_positive=np.array([True, True, False, False]),
        scores=np.array([0.9, 0.8, np.nan, 0.2]),
        responded=np.array([True, True, False, True]),
        subjects=text([""] * 4),
        species=text(["", "", "mute", "print"]),
        splits=text([""] * 4),
    )
    page, card = write_report(evaluate(table, threshold=0.5, resamples=0), tmp_path / "r.html", command="c")
    (row,) = (row for row in read(page).rows if row[0] == "APCER of mute")
    assert row[1:3] == ["\N{EN DASH}", "0 of 0"]

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    assert json.loads(card.read_text(), parse_constant=refuse)["apcer_by_species"]["mute"] is None


def test_a_large_table_makes_a_small_page(tmp_path) -> None:
    table = presentations(200_000, 5, gap=1.0)
    page, _ = write_report(evaluate(table, threshold=0.0, resamples=0), tmp_path / "r.html", command="c")
    assert page.stat().st_size < 100_000


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "r.json").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for path in ("file/r.html", "folder.html", "r.html", "card.json"):
        with pytest.raises(UsageError, match="expected"):
            write_report(judged(), tmp_path / path, command="c")
        assert sorted(tmp_path.rglob("*")) == before


def test_without_jinja_the_remedy_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r'pip install "countenance\[report\]"'):
        write_report(judged(), tmp_path / "r.html", command="c")
    assert not list(tmp_path.iterdir())
