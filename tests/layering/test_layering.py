"""The arrows between the rooms, read off the #include lines: who may stand on whom, and where the heavy headers may go."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)

# Room -> rooms whose headers it may include (its own is always allowed). The longest matching prefix names a file's room.
MAY_INCLUDE = {
    "runtime/core": [],
    "runtime": ["runtime"],
    "dispatcher/queue": [],
    "dispatcher/picture": [],
    "dispatcher/link": ["runtime/core"],
    "dispatcher": ["dispatcher", "runtime"],
    "inference": ["inference", "runtime", "dispatcher/link"],
    "operator/api": ["operator/scaling/settings.hpp", "runtime/core"],
    "operator/scaling": ["runtime/core"],
    "operator/plan": ["operator/api", "operator/scaling", "runtime/core"],
    "operator/backend/backend.hpp": ["operator/api", "operator/scaling", "operator/plan", "runtime/core"],
    "operator/manifest": ["operator/api", "runtime/core", "runtime/process"],
    "operator/scrape": ["operator/scaling", "operator/api", "runtime"],
    "operator/backend/local": ["operator", "runtime"],
    "operator/backend/kube": ["operator", "runtime"],
    "operator/reconcile": ["operator/api", "operator/scaling", "operator/plan", "operator/scrape",
                           "operator/backend/backend.hpp", "runtime"],
    "operator": ["operator", "runtime"],
    "bench/sim": ["operator/scaling", "operator/api", "dispatcher/queue", "runtime/core"],
    "bench": ["bench", "operator/scaling", "operator/api", "operator/manifest", "dispatcher/queue", "runtime"],
}

# No I/O, clock, log or thread: `now` is an argument. Only the standard library, Boost.JSON values and results.
PURE = ["runtime/core", "dispatcher/queue", "dispatcher/picture", "dispatcher/link", "operator/api", "operator/scaling",
        "operator/plan", "bench/sim"]
PURE_FORBIDDEN = re.compile(
    r"#\s*include\s*<(thread|mutex|fstream|iostream|filesystem|condition_variable|future|unistd\.h|sys/|boost/asio|boost/beast"
    r"|prometheus|yaml-cpp|opencv|torch|openssl)"
    r"|_clock::now\s*\(|\bgetenv\s*\(|std::random_device|\btime\s*\(\s*(nullptr|NULL|0)\s*\)")
# runtime/core compiles Boost.JSON and draws random identifiers for everybody; nothing else there touches the world.
PURE_EXCEPT = {"runtime/core/json.cpp", "runtime/core/random.cpp", "runtime/core/id.cpp"}


def sources():
    for room in ("runtime", "dispatcher", "inference", "operator", "bench"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".h"):
                yield path.relative_to(ROOT).as_posix(), path.read_text()


def room_of(name):
    return max((room for room in MAY_INCLUDE if name == room or name.startswith(room + "/")), key=len)


def within(name, prefix):
    return name == prefix or name.startswith(prefix + "/")


def test_there_is_something_to_check():
    assert len(list(sources())) > 20


@pytest.mark.parametrize("name,text", [pytest.param(n, t, id=n) for n, t in sources()])
def test_includes_follow_the_arrows(name, text):
    room = room_of(name)
    for quote, target in INCLUDE.findall(text):
        if quote != '"':
            continue
        assert (ROOT / target).exists(), f"{name} includes {target}, which is not a path from the root"
        allowed = [room, *MAY_INCLUDE[room]]
        assert any(within(target, prefix) for prefix in allowed), f"{name} (room {room}) may not include {target}"


@pytest.mark.parametrize("name,text", [pytest.param(n, t, id=n) for n, t in sources()
                                       if any(within(n, room) for room in PURE) and n not in PURE_EXCEPT])
def test_pure_rooms_touch_nothing_outside(name, text):
    found = PURE_FORBIDDEN.search(text)
    assert not found, f"{name} is in a pure room and has {found.group(0)!r}"


@pytest.mark.parametrize("name,text", [pytest.param(n, t, id=n) for n, t in sources()])
def test_heavy_libraries_stay_in_their_rooms(name, text):
    includes = [target for _, target in INCLUDE.findall(text)]
    for target in includes:
        if target.startswith(("torch/", "ATen/", "c10/")):
            assert name.startswith(("inference/model/", "inference/checkpoint/")) and name.endswith(".cpp"), f"{name} includes {target}"
        if target.startswith("opencv2/"):
            assert name.startswith("inference/preprocess/") and name.endswith(".cpp"), f"{name} includes {target}"
        if target.startswith("boost/beast"):
            assert name.startswith("runtime/http/") and name.endswith(".cpp"), f"{name} includes {target}"


@pytest.mark.parametrize("name,text", [pytest.param(n, t, id=n) for n, t in sources()])
def test_only_main_reads_the_environment(name, text):
    if not re.search(r"\bgetenv\s*\(", text):
        return
    assert pathlib.PurePosixPath(name).name in ("main.cpp", "flags.cpp"), f"{name} reads the environment"
