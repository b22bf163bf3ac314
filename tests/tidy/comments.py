"""Finds comments whose wrapping left one or two words over in a line of their own."""
import re

COMMENT = re.compile(r"^(\s*)(///<?|//|#)( +)(\S.*)$")
# Of clang-format and of .editorconfig.
LIMITS = {".cpp": 110, ".hpp": 110, ".py": 140}
# Two short words look lost under a full line. Three are a short line, and so is a path or a grammar that cannot be broken.
LEAST_WORDS = 3
LEAST_LENGTH = 25


def paragraphs(lines):
    """(first, last) of every run of comment lines with the same indent and mark; a list's entry begins one of its own."""
    first, before = None, None
    for number, line in enumerate([*lines, ""]):
        match = COMMENT.match(line)
        shape = match and match.groups()[:3]
        if first is not None and (shape != before or re.match(r"[-*|•]|\d+\.", match[4])):
            yield first, number - 1
            first = None
        if shape and first is None:
            first = number
        before = shape


def stranded(lines, suffix):
    """(first, last) of the paragraphs that end in so few words that only the line before them being full explains it."""
    for first, last in paragraphs(lines):
        text = COMMENT.match(lines[last])[4]
        words = text.split()
        full = last > first and len(lines[last - 1]) + 1 + len(words[0]) > LIMITS[suffix]
        lost = len(words) < LEAST_WORDS and len(text) < LEAST_LENGTH
        # A table or a drawing keeps its lines.
        if full and lost and not re.search(r"[|]|  ", COMMENT.match(lines[last - 1])[4]):
            yield first, last
