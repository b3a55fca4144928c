"""Drawn sets to learn from: parts, lists, gender, the record file."""

import pytest

from countenance.datasets.vggface2 import read_people
from countenance.drawn_sets.identity_sets import plan_afad, plan_casia_webface, plan_ms_celeb_1m, plan_vggface2
from countenance.drawn_sets.portraits import People
from countenance.drawn_sets.writing import write_set
from countenance.errors import UsageError
from countenance.synthesis.identity import draw_identity


def test_vggface2_shares_people_out_as_published(tmp_path):
    planned = plan_vggface2(subjects=200, photographs_each=1)
    assert planned.counts["test/identities"] == round(200 * 500 / 9_131) == 11
    for name, text in planned.lists.items():
        (tmp_path / name).write_text(text)
    people = read_people(tmp_path)
    assert len(people) == 200
    for identity, person in people.items():
        woman = draw_identity(People.VGGFACE2 + int(identity[1:]), root=0).woman
        assert person.gender == ("female" if woman else "male")
    files = {name for clip in planned.clips for name in clip.files}
    listed = {f"{split}/{name}" for split in ("train", "test") for name in planned.lists[f"{split}_list.txt"].split()}
    assert files == listed


def test_afad_files_people_by_their_age_and_gender():
    planned = plan_afad(subjects=30, seed=5)
    for clip in planned.clips:
        identity = draw_identity(clip.spec.subject, root=5)
        for name in clip.files:
            _, age, gender, photograph = name.split("/")
            assert (int(age), gender) == (identity.years, "112" if identity.woman else "111")
            assert photograph.startswith(f"{clip.subject}-")
    assert planned.counts["male"] + planned.counts["female"] == planned.counts["photographs"] == 60
    assert min(planned.counts["male"], planned.counts["female"]) > 0


def test_the_record_file_is_all_that_is_left(stand_in, tmp_path):
    planned = plan_ms_celeb_1m(subjects=3, photographs_each=2)
    for copy in ("one", "other"):
        write_set(planned, tmp_path / copy, draw=stand_in)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["drawn.csv", "drawn.json", "property", "train.idx", "train.rec"]
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes() for name in names)


@pytest.mark.parametrize("plan", [plan_vggface2, plan_casia_webface, plan_ms_celeb_1m, plan_afad])
def test_too_few_are_refused(plan):
    with pytest.raises(UsageError, match="subjects for"):
        plan(subjects=0)
    with pytest.raises(UsageError, match="1 to 999 photographs"):
        plan(subjects=4, photographs_each=0)
