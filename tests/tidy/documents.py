"""Reads the repository's Markdown for the tests that hold the documents to the code."""
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^\s*```(\S*)")
SHELL = ("console", "sh", "bash", "shell")
INLINE = re.compile(r"`([^`\n]+)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
# The option texts of scripts that tell them without a build. The programs' own are asked in tests/process.
HELP = {
    "bench/demo": ["bench/demo", "--help"],
    "bench/run cluster": [sys.executable, "-m", "bench.compare.flags", "cluster", "--help"],
    "bench/run cluster --local": [sys.executable, "-m", "bench.compare.flags", "local", "--help"],
    "bench/run dispatcher": [sys.executable, "-m", "bench.dispatcher.run", "--help"],
    "bench/run inference": [sys.executable, "-m", "bench.inference.run", "--help"],
    "tests/run": ["tests/run", "--help"],
    "tests/cluster/cluster up": ["tests/cluster/cluster", "up", "--help"],
    "tests/cluster/cluster": ["tests/cluster/cluster", "--help"],
    ".ci/packaging/provenance.py": [sys.executable, ".ci/packaging/provenance.py", "--help"],
    ".ci/packaging/sbom.py": [sys.executable, ".ci/packaging/sbom.py", "--help"],
    ".ci/release": [".ci/release", "--help"],
    "docs/api_reference.py": [sys.executable, "docs/api_reference.py", "--help"],
    "docs/values_reference.py": [sys.executable, "docs/values_reference.py", "--help"],
}
# A metric of one of the three programs.
METRIC = r"(?:dispatcher|ml_app|eis_operator|rest_client)_[a-z0-9_]+"
PROGRAM = re.compile(r"(?:\./)?(?:build/release/bin/)?(inference-(?:operator|dispatcher|worker|bench))")


def pages():
    """Every Markdown file of the repository."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def blocks(text):
    """(prose, [(language, block), …]): the text without its fenced blocks, and these."""
    prose, fenced, language, block = [], [], None, []
    for line in text.splitlines():
        fence = FENCE.match(line)
        if fence and language is None:
            language, block = fence[1], []
        elif fence:
            fenced.append((language, "\n".join(block)))
            language = None
        elif language is None:
            prose.append(line)
        else:
            block.append(line)
    return "\n".join(prose), fenced


def links(text):
    """Targets of inline links and pictures outside of code."""
    prose = INLINE.sub("", blocks(text)[0])
    return [target.strip() for target in re.findall(r"\]\(([^)\s]+)\)", prose)]


def anchors(text):
    """The fragments that GitHub gives to headings."""
    found, seen = set(), {}
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", blocks(text)[0], re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def words_of(line):
    """The simple commands of a shell line, each as its words without assignments before it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        tokens = list(lexer)
    except ValueError:
        # An apostrophe of prose, or a quotation that goes on in the next line.
        tokens = line.split()
    command, found = [], []
    for token in [*tokens, ";"]:
        if re.fullmatch(r"[|&;()]+", token):
            if command:
                found.append(command)
            command = []
        elif command or not re.match(r"[A-Za-z_]\w*=", token):
            command.append(token)
    return found


def commands(text):
    """Every command of our own that the text shows: lines of shell blocks, and code within sentences. As [program, word, …]; a
    program is inference-NAME or a path from the root."""
    prose, fenced = blocks(text)
    # In brackets is what may be left out.
    lines = [re.sub(r"[][…]", " ", code) for code in INLINE.findall(prose) if " " in code or code.startswith("./")]
    for language, block in fenced:
        if language in SHELL or not language:
            lines += [re.sub(r"^\s*\$ ", "", line) for line in block.replace("\\\n", " ").splitlines()]
    for line in lines:
        for command in words_of(line):
            program = PROGRAM.fullmatch(command[0])
            path = command[0].removeprefix("./")
            if program:
                yield [program[1], *command[1:]]
            elif re.match(r"(bench|tests|docs|\.ci)/[\w./-]+$", path):
                yield [path, *command[1:]]


def flags_of(words):
    """The long options among a command's words, without their values; what follows `--` is another program's."""
    own = words[: words.index("--")] if "--" in words else words
    return [match[0] for word in own if (match := FLAG.match(word))]


def metric_of(name):
    """The metric that a series belongs to."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def metrics_reference():
    """name -> (type, labels) of every row of docs/metrics.md."""
    rows = re.findall(rf"^\| `({METRIC})` \| (\w+) \|([^|]*)\|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert len(rows) == len({name for name, *_ in rows}), "a metric has two rows"
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
