"""URLs and texts as they may be shown: passwords, keys and tokens are masked.

Rather too much is masked than too little: an `@` or `/` that stands in a password as it is, not as
%40 or %2F, does not end it here.
"""

from __future__ import annotations

import re

MASK = "***"
CREDENTIALS = re.compile(r"^(\W*[\w+.-]+:/+)?+([^:]*):(.*)@", re.DOTALL)
"""Scheme, user and password: from the first colon behind the scheme to the last @."""

SECRETS = "pass|pwd|token|secret|key|cred|auth|sig|odbc_connect"
QUERY = re.compile(rf"([?&;#][^?&;#=]{{0,64}}(?:{SECRETS})[^?&;#=]{{0,64}}=)[^&]*", re.IGNORECASE)
ENDS = "\"'`)]},.;:"  # what stands behind a URL in a text, and is none of it
PIECE = 3  # characters of a piece of a password that tell something


def masked(url: str) -> str:
    """A URL, or what should have been one, without its password and the secrets of its query."""
    return QUERY.sub(rf"\1{MASK}", CREDENTIALS.sub(rf"\1\2:{MASK}@", url))


def masked_in(text: str, url: str = "") -> str:
    """A text with all URLs in it masked.

    url : one that the text is about, and may quote in pieces
    """
    if url:
        text = text.replace(url, masked(url))
        for piece in _pieces(url):
            text = text.replace(piece, MASK)
    return re.sub(r"\S+", lambda found: _masked_word(found[0]), text)


def _masked_word(word: str) -> str:
    if ":/" not in word:
        return word
    url = word.rstrip(ENDS)
    return masked(url) + word[len(url) :]


def _pieces(url: str) -> list[str]:
    """A password as it stands, and what a reader makes of one with @, / or : in it."""
    found = CREDENTIALS.match(url)
    password = found[3] if found else ""
    pieces = [password, *re.split("[@/:]", password)]
    return [piece for piece in pieces if len(piece) >= PIECE]
