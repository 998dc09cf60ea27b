"""docs/recipe_keys.md, from the settings that it describes.

python -m tests.docs.recipe_keys_page > docs/recipe_keys.md
"""

from __future__ import annotations

import sys

from naetrigger.pipeline.recipe_keys import Group, Key, recipe_keys

HEAD = """# Every key of a recipe

With its default and what it takes, section by section; [Recipes](recipe.md) tells how a recipe is
written. A heading such as `objective.name=nae` has the keys of `objective` where its `name` is
`nae`. `[]` stands for any item of a list, `NAME` for a name of your own. `null` means: not set.

In the terminal: `naetrigger list keys`, `naetrigger list keys student`, `naetrigger list keys nae`.
This page is written from the program (`python -m tests.docs.recipe_keys_page`), and a test compares
the two.
"""


def page() -> str:
    """The whole page."""
    parts, begun = [HEAD], set()
    for group in recipe_keys():
        section, _, member = group.name.partition(".")
        if member and section not in begun:
            parts.append(f"## {section}\n")
        begun.add(section)
        parts.append(_group(group, "###" if member else "##"))
    return "\n".join(parts)


def _group(group: Group, level: str) -> str:
    rows = "\n".join(_row(key) for key in group.keys)
    return (
        f"{level} {group.name}\n\n{_text(group.description)}\n\n"
        f"| key | default | takes | what |\n|---|---|---|---|\n{rows}\n"
    )


def _row(key: Key) -> str:
    default = f"`{_cell(key.default)}`" if key.default else ""
    return f"| `{key.name}` | {default} | {_text(key.values)} | {_text(key.description)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(text: str) -> str:
    """Outside of code, a star is a star."""
    parts = _cell(text).split("`")
    parts[::2] = [part.replace("*", "\\*").replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
