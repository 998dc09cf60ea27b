"""What is said of a command line that cannot be read, in other words than the library's."""

from __future__ import annotations

import re

from naetrigger.contracts.errors import suggestion

_CHOICE = re.compile(r"'(?P<word>.*)' is not one of (?P<known>'.*')\.")


def in_our_words(message: str) -> str:
    """The library's message without what its own library says, and with the words that are near."""
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    message = message.partition(", unable to parse")[0]
    choice = _CHOICE.fullmatch(message)
    if choice is None:
        return message
    known = choice["known"].strip("'").split("', '")
    near = suggestion(choice["word"], known)
    return f"no '{choice['word']}' here{near} (there are {', '.join(known)})"
