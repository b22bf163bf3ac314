#!/usr/bin/python3
"""Writes the table of values in helm/README.md from the comments of helm/values.yaml. tests/tidy compares the two.

  docs/values_reference.py          writes helm/README.md
  docs/values_reference.py --print  prints the page
"""
import argparse
import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
VALUES = ROOT / "helm/values.yaml"
PAGE = ROOT / "helm/README.md"
BEGIN, END = "<!-- Written by docs/values_reference.py from values.yaml. Change the comments there. -->", "<!-- Until here. -->"
KEY = re.compile(r"^( *)([A-Za-z][\w.-]*):(?: +(?P<rest>.*))?$")


def split_comment(rest):
    """(value, comment) of what stands after a key; a # within quotes is no comment."""
    quoted = re.match(r"""^("[^"]*"|'[^']*'|[^#"']*)(?: *# *(.*))?$""", rest)
    return (quoted[1].strip(), quoted[2] or "") if quoted else (rest, "")


def rows(text):
    """(path, is it a block, words) of every key, in order."""
    path, words, found = [], [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            words.append(stripped.lstrip("# "))
            continue
        key = KEY.match(line)
        if key is None:
            words = []
            continue
        depth = len(key[1]) // 2
        value, comment = split_comment(key["rest"] or "")
        path = [*path[:depth], key[2]]
        found.append((".".join(path), not value, " ".join([*words, comment] if comment else words)))
        words = []
    return found


def default_of(values, path):
    for name in path.split("."):
        values = values[name]
    return values


def cell(text):
    return re.sub(r"([*_<|])", r"\\\1", text).replace("\\*\\*", "**")


def table(text):
    values = yaml.safe_load(text)
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for path, block, words in rows(text):
        default = default_of(values, path)
        if block and isinstance(default, dict) and default:
            if words:
                lines.append(f"| **`{path}`** | | {cell(words)} |")
            continue
        lines.append(f"| `{path}` | `{json.dumps(default)}` | {cell(words)} |")
    return "\n".join(lines)


def page():
    before, rest = PAGE.read_text().split(BEGIN)
    return f"{before}{BEGIN}\n\n{table(VALUES.read_text())}\n\n{END}{rest.split(END)[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the page instead of writing it")
    arguments = parser.parse_args()
    if arguments.print:
        print(page(), end="")
    else:
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
