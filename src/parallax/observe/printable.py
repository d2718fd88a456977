"""Texts of strangers on a terminal, which takes some characters for commands."""


def shown(text: str) -> str:
    """Return the text with everything that is no plain printable character written out."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
