"""Comments read as their writer meant them: a wrapped one does not leave a word or two in a line of their own."""
from tests.tidy import comments
from tests.tidy.documents import ROOT
from tests.tidy.test_tidy import tracked

ROOMS = ("runtime", "dispatcher", "inference", "operator", "bench", "tests")


def test_no_comment_ends_in_a_left_over_word():
    found = []
    for name in tracked(*(f"{room}/*{suffix}" for room in ROOMS for suffix in comments.LIMITS)):
        lines = (ROOT / name).read_text().split("\n")
        for _, last in comments.stranded(lines, "." + name.rsplit(".", 1)[1]):
            found.append(f"{name}:{last + 1}: {lines[last].strip()}")
    assert not found, "move words down from the line before, or say it in fewer words:\n" + "\n".join(found)


def test_a_left_over_word_is_found_and_a_short_line_is_not():
    full = "// " + "word " * 20 + "longer"
    assert 105 < len(full) <= 110
    assert list(comments.stranded([full, "// left-over.", "int x;"], ".cpp")) == [(0, 1)]
    for why, lines in {"three words": [full, "// three words here."], "nothing before it": ["// left."],
                       "an entry of a list": [full, "// - entry"], "not wrapped": ["// short", "// left."],
                       "no words to break": [full, "// " + "path/" * 8 + "name.hpp"]}.items():
        assert not list(comments.stranded(lines, ".cpp")), why
