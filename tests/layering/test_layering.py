"""The arrows between the rooms, read off the #include lines: who may stand on whom, and where the heavy headers may go."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)

# Room -> rooms whose headers it may include (its own is always allowed). The longest matching prefix names a file's room.
MAY_INCLUDE = {
    "runtime/core": [],
    "runtime/compression": ["runtime/core"],
    "runtime": ["runtime"],
    # What the dispatcher and those who speak with it agree on. It stands on nothing else of the dispatcher.
    "dispatcher/contract/picture": [],
    "dispatcher/contract/link": ["runtime/core"],
    "dispatcher/contract": ["dispatcher/contract", "runtime/core", "runtime/http/message.hpp", "runtime/http/text.hpp"],
    "dispatcher/queue": [],
    "dispatcher/exchange": ["dispatcher/queue", "dispatcher/contract/link", "runtime/core"],
    "dispatcher/oip": ["dispatcher/exchange", "dispatcher/contract/link", "runtime/core"],
    "dispatcher/grpc/wire.hpp": ["runtime/core"],
    "dispatcher/grpc/wire.cpp": ["dispatcher/grpc", "dispatcher/oip", "runtime/core"],
    "dispatcher": ["dispatcher", "runtime"],
    "inference": ["inference", "runtime", "dispatcher/contract"],
    "operator/api": ["operator/scaling/settings.hpp", "operator/schedule", "runtime/core"],
    "operator/scaling": ["runtime/core"],
    # The queue is what the simulation simulates: policies are judged on the order and the refusals of the real one.
    "operator/simulation": ["operator/scaling", "dispatcher/queue", "runtime/core"],
    "operator/schedule": ["operator/scaling", "runtime/core"],
    "operator/advice": ["operator/api", "operator/scaling", "operator/schedule", "operator/simulation", "runtime/core"],
    "operator/plan": ["dispatcher/contract", "operator/api", "operator/scaling", "operator/schedule", "runtime/core"],
    "operator/backend/backend.hpp": ["operator/api", "operator/scaling", "operator/plan", "runtime/core"],
    "operator/manifest": ["operator/api", "runtime/core", "runtime/process"],
    "operator/scrape": ["dispatcher/contract", "operator/scaling", "operator/api", "runtime"],
    "operator/backend/local/roster.hpp": ["operator/backend/local/command.hpp", "operator/backend/local/instance.hpp",
                                          "operator/api", "operator/plan"],
    "operator/backend/local/instance.hpp": ["operator/backend/local/command.hpp", "operator/plan"],
    "operator/backend/local": ["operator", "dispatcher/contract", "runtime"],
    "operator/backend/kube/protocol": ["runtime/core"],
    "operator/backend/kube/client": ["operator/backend/kube/protocol", "runtime"],
    "operator/backend/kube/children": ["dispatcher/contract/ports.hpp", "operator/backend/kube/protocol", "operator/api",
                                       "operator/plan", "runtime/core"],
    "operator/backend/kube": ["operator", "dispatcher/contract", "runtime"],
    "operator/reconcile": ["operator/advice", "operator/api", "operator/scaling", "operator/schedule", "operator/plan", "operator/scrape",
                           "operator/backend/backend.hpp", "runtime"],
    "operator/page": ["operator/advice", "operator/api", "operator/plan", "operator/reconcile", "operator/scaling", "operator/show/row.hpp", "runtime"],
    "operator": ["operator", "dispatcher/contract", "runtime"],
    "bench/sim": ["operator/simulation", "operator/scaling", "dispatcher/queue", "runtime/core"],
    "bench/queue": ["bench", "dispatcher/queue", "runtime/core"],
    "bench/advice": ["bench", "operator/advice", "operator/scaling", "runtime/core"],
    "bench": ["bench", "dispatcher/contract", "operator/scaling", "operator/simulation", "operator/schedule", "operator/api", "operator/manifest", "runtime"],
}

# No I/O, clock, log or thread: `now` is an argument. Only the standard library, Boost.JSON values and results.
PURE = ["runtime/core", "runtime/compression", "dispatcher/contract", "dispatcher/queue", "dispatcher/exchange",
        "dispatcher/oip", "operator/api", "operator/scaling", "operator/simulation",
        "operator/schedule", "operator/advice", "operator/plan", "operator/backend/kube/protocol", "operator/backend/kube/children", "bench/sim",
        *(f"{stem}.{suffix}" for suffix in ("hpp", "cpp") for stem in (
            "operator/reconcile/step", "operator/reconcile/settle", "operator/reconcile/workqueue", "operator/reconcile/indicators",
            "dispatcher/grpc/wire", "dispatcher/grpc/convert", "dispatcher/grpc/reflection", "dispatcher/grpc/status",
            "runtime/trace/span", "runtime/trace/settings", "runtime/trace/verdict", "operator/page/history", "operator/page/json", "operator/page/query", "operator/page/services", "operator/page/tryout",
            "operator/scrape/reading", "operator/backend/local/instance", "operator/backend/local/roster"))]
PURE_FORBIDDEN = re.compile(
    r"#\s*include\s*<(thread|mutex|fstream|iostream|filesystem|condition_variable|future|unistd\.h|sys/|boost/asio|boost/beast"
    r"|prometheus|yaml-cpp|opencv|torch|openssl)"
    r"|_clock::now\s*\(|\bgetenv\s*\(|std::random_device|\btime\s*\(\s*(nullptr|NULL|0)\s*\)")


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


def test_every_room_that_the_rules_name_is_there():
    named = {*MAY_INCLUDE, *PURE, *(target for targets in MAY_INCLUDE.values() for target in targets)}
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


def test_includes_follow_the_arrows():
    wrong = []
    for name, text in sources():
        room = room_of(name)
        allowed = [room, *MAY_INCLUDE[room]]
        for quote, target in INCLUDE.findall(text):
            if quote != '"':
                continue
            if not (ROOT / target).exists():
                wrong.append(f"{name} includes {target}, which is not a path from the root")
            elif not any(within(target, prefix) for prefix in allowed):
                wrong.append(f"{name} (room {room}) may not include {target}")
    assert not wrong, "\n".join(wrong)


def test_pure_rooms_touch_nothing_outside():
    wrong = []
    for name, text in sources():
        found = PURE_FORBIDDEN.search(text)
        if found and any(within(name, room) for room in PURE):
            wrong.append(f"{name} is in a pure room and has {found.group(0)!r}")
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_stay_in_their_rooms():
    homes = {("torch/", "ATen/", "c10/"): ("inference/model/", "inference/checkpoint/"),
             ("oneapi/dnnl", "dnnl"): ("inference/model/",),
             ("opencv2/",): ("inference/preprocess/",),
             ("boost/beast",): ("runtime/http/",),
             ("grpc/", "grpcpp/", "google/protobuf/", "inference.pb.h", "health.pb.h", "reflection.pb.h", "status.pb.h"):
                 ("dispatcher/grpc/",)}
    # A header may name them too where nothing outside its room includes it: then nobody else pays for them.
    shared = {target for name, text in sources() for _, target in INCLUDE.findall(text)
              if pathlib.PurePosixPath(target).parent != pathlib.PurePosixPath(name).parent}
    wrong = []
    for name, text in sources():
        for _, target in INCLUDE.findall(text):
            for prefixes, home in homes.items():
                if target.startswith(prefixes) and (not name.startswith(home) or name in shared):
                    wrong.append(f"{name} includes {target}")
    assert not wrong, "\n".join(wrong)


def test_what_is_simulated_has_no_clock_but_the_injected_one():
    simulated = ("operator/backend/kube/", "operator/reconcile/", "operator/scrape/", "operator/kubernetes.")
    machine = re.compile(r"_clock::now\s*\(|\b(steady|system|high_resolution)_timer\b")
    wrong = [f"{name} has {found.group(0)!r}: runtime/async/clock.hpp has what follows virtual time"
             for name, text in sources() if name.startswith(simulated) and (found := machine.search(text))]
    assert not wrong, "\n".join(wrong)


def test_only_main_reads_the_environment():
    wrong = [name for name, text in sources()
             if re.search(r"\bgetenv\s*\(", text) and pathlib.PurePosixPath(name).name not in ("main.cpp", "flags.cpp")]
    assert not wrong, "\n".join(wrong)
