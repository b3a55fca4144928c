"""What can be somebody's or something's name wherever names are kept: one rule for galleries, stores and receipts."""

from countenance.errors import UsageError

NAME_LETTERS = 100


def is_name(word: str) -> bool:
    """Tell whether a word can be a name: 1 to 100 printable letters, without a space at an end.

    A point alone and two of them mean places in an address, which could not name the person then.

    >>> is_name("Ann Example"), is_name(" Ann"), is_name(""), is_name("..")
    (True, False, False, False)
    """
    return 0 < len(word) <= NAME_LETTERS and word.isprintable() and word == word.strip() and word not in (".", "..")


def refuse_name(word: str, *, of: str) -> None:
    """Refuse what cannot be a name.

    Args:
        word: the name.
        of: what it names, for the message ("a subject").

    Raises:
        UsageError: empty, too long, not printable, with a space at an end, or a point or two and nothing else.
    """
    if not is_name(word):
        raise UsageError(
            expected=f"as the name of {of} 1 to {NAME_LETTERS} printable letters, without a space at an end, "
            "not . or ..",
            came=repr(word[: NAME_LETTERS + 1]),
            remedy="name it otherwise",
        )
