"""Names: one rule, and what can stand in an address."""

from urllib.parse import quote, unquote, urljoin

import pytest

from countenance.errors import UsageError
from countenance.names import NAME_LETTERS, is_name, refuse_name

GOOD = ("Ann Example", "a", "x" * NAME_LETTERS, "...", ".a", "a..", "Bo/b ?", "../a", "Zoë", "名前")
BAD = ("", " ", " a", "a ", "a\n", "a\tb", "x" * (NAME_LETTERS + 1), ".", "..", "\u200b")


@pytest.mark.parametrize("word", GOOD)
def test_what_is_a_name_comes_back_from_an_address(word):
    refuse_name(word, of="a subject")
    address = urljoin("https://gate.example/v1/enrolments/", "./" + quote(word, safe=""))
    assert unquote(address.removeprefix("https://gate.example/v1/enrolments/")) == word


@pytest.mark.parametrize("word", BAD)
def test_what_is_none_is_refused_in_words(word):
    assert not is_name(word)
    with pytest.raises(UsageError, match="as the name of a subject 1 to 100 printable letters"):
        refuse_name(word, of="a subject")
