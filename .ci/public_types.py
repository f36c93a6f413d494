#!/usr/bin/env python3
"""Checks that the public API shows no types of other crates than these, from rustdoc's JSON."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "public-types"
ALLOWED = {"alloc", "bytes", "core", "http", "http_body", "serde_core", "std", "tower_layer", "tower_service"}
COMMAND = ["cargo", "rustdoc", "--quiet", "--lib", "--all-features", "--target-dir", str(TARGET)]
COMMAND += ["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"]


def references(value):
    """The ids of types and traits anywhere in a piece of JSON."""
    if isinstance(value, dict):
        if "id" in value and "path" in value and "args" in value:
            yield str(value["id"])
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def main():
    # A stable rustdoc writes JSON, too, if it is told to.
    subprocess.run(COMMAND, check=True, cwd=ROOT, env={**os.environ, "RUSTC_BOOTSTRAP": "1"})
    docs = json.loads((TARGET / "doc" / "tower_method_policy.json").read_text())
    foreign = seen = 0
    for item in docs["index"].values():
        implementation = item["inner"].get("impl", {})
        # `pin-project-lite` writes the auto trait `Unpin` in its own terms.
        is_unpin = (implementation.get("trait") or {}).get("path") == "Unpin"
        if item["crate_id"] != 0 or implementation.get("blanket_impl") or is_unpin:
            continue
        for id in references(item["inner"]):
            path = docs["paths"].get(id)
            if path is None or path["crate_id"] == 0:
                continue
            seen += 1
            if path["path"][0] not in ALLOWED:
                foreign += 1
                print(f"{item['name'] or 'an implementation'} shows {'::'.join(path['path'])}")
    print(f"{seen} uses of types of other crates in the public API, {foreign} of crates that are not allowed")
    return 1 if foreign or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
