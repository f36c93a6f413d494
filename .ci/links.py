#!/usr/bin/env python3
"""Checks the links in pages to files, to headings, and to the built documentation.

    cargo doc --no-deps --all-features
    python3 .ci/links.py README.md CONTRIBUTING.md SECURITY.md docs/operators.md
"""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTATION = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "doc"
PUBLISHED = "https://docs.rs/tower-method-policy/latest/"


def links(page):
    """The links in the text and the link definitions."""
    return re.findall(r"\]\(([^)\s]+)\)", page) + re.findall(r"^\[[^]]+\]: (\S+)$", page, re.M)


def headings(page):
    """The fragments of the links to the headings."""
    text = re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def has_target(name, link):
    """Whether the target of the link exists. None if it is not checked."""
    if link.startswith(PUBLISHED):
        path, _, fragment = link.removeprefix(PUBLISHED).partition("#")
        page = DOCUMENTATION / path
        if page.is_dir():
            page /= "index.html"
        return page.exists() and (not fragment or f'id="{fragment}"' in page.read_text())
    # rustdoc checks links to items.
    if "://" in link or link.startswith("crate::"):
        return None
    path, _, fragment = link.partition("#")
    target = (ROOT / name).parent / path if path else ROOT / name
    return target.exists() and (not fragment or fragment in headings(target.read_text()))


def main(names):
    broken = checked = 0
    for name in names:
        for link in links((ROOT / name).read_text()):
            found = has_target(name, link)
            checked += found is not None
            if found is False:
                broken += 1
                print(f"{name}: broken link: {link}")
    print(f"{checked} links checked, {broken} broken")
    return 1 if broken or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
