"""Programs as contestants of `inference-bench policy`: the examples play and follow the schema, and a program that does
wrong ends the comparison with an error that says where."""
import json
import os
import pathlib
import subprocess
import sys
import textwrap

import jsonschema
import pytest

from bench.waiting import wait_until
from tests.process.programs import BIN, ROOT

EXAMPLES = sorted(path for path in (ROOT / "bench/policies").glob("*.py"))
SCHEMA = json.loads((ROOT / "bench/policies/schema.json").read_text())
POLICIES = ("pid", "queueing", "learner")


def bench(tmp_path, *contestants, flags=(), trace="5 " * 40):
    (tmp_path / "trace.txt").write_text(trace)
    words = [word for contestant in contestants for word in ("--contestant", contestant)]
    return subprocess.run([BIN / "inference-bench", "policy", "--trace", tmp_path / "trace.txt", "--service-ms", "100", "--runs", "1",
                           *words, *flags], capture_output=True, text=True, timeout=120)


def program(tmp_path, body):
    """A contestant whose answer() is given."""
    path = tmp_path / "program.py"
    path.write_text("import json, os, signal, sys, time\n" + textwrap.dedent(body))
    return f"mine={sys.executable} {path}"


def answering(expression):
    return f"for number, line in enumerate(sys.stdin):\n    print({expression}, flush=True)\n"


def is_running(process):
    """Whether there is more of it than an exit status: without a parent that is init's to take, which some containers have none for."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def validator(name):
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


def test_the_examples_are_short():
    assert {path.stem for path in EXAMPLES} >= set(POLICIES)
    assert all(len((ROOT / "bench/policies" / f"{name}.py").read_text().splitlines()) < 60 for name in POLICIES)


def test_the_examples_play_beside_the_built_in_policies_and_hold_the_target_better_than_one_worker(tmp_path):
    step = "5 " * 30 + "25 " * 60 + "5 " * 30
    fixed = program(tmp_path, answering('json.dumps({"replicas": 1, "reason": "One"})')).replace("mine=", "one=")
    names = [f"{name}={sys.executable} {ROOT}/bench/policies/{name}.py" for name in POLICIES]
    done = bench(tmp_path, *names, fixed, flags=("--out", tmp_path / "out"), trace=step)
    assert done.returncode == 0, done.stderr
    late = {cell["policy"]: cell["late_ratio"] for cell in json.loads(done.stdout.splitlines()[-1])["cells"]}
    assert list(late) == ["Latency", "QueueRatio", "Hpa70", "Hpa90", "Kpa", "Keda", "Planner", *POLICIES, "one"]
    assert all(late[name] < late["one"] for name in POLICIES), late
    assert "\n  pid  " in done.stdout
    drawn = subprocess.run([sys.executable, "-m", "bench.plot.policy", tmp_path / "out"], cwd=ROOT, capture_output=True, text=True,
                           timeout=120, env={**os.environ, "MPLCONFIGDIR": str(tmp_path)})
    assert drawn.returncode == 0 and (tmp_path / "out/tradeoff-start-3s.png").exists(), drawn.stderr
    assert (tmp_path / "out/timeline/pid.csv").exists()


@pytest.mark.parametrize("name", POLICIES)
def test_questions_and_the_examples_answers_follow_the_schema(tmp_path, name):
    command = program(tmp_path, f"""
        import subprocess
        inner = subprocess.Popen([sys.executable, "{ROOT}/bench/policies/{name}.py"], stdin=-1, stdout=-1, text=True)
        with open("{tmp_path}/log", "w") as log:
            for line in sys.stdin:
                inner.stdin.write(line)
                inner.stdin.flush()
                answer = inner.stdout.readline()
                log.write(line + answer)
                print(answer, end="", flush=True)
        """)
    done = bench(tmp_path, command)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) > 600  # the trace and five idle minutes
    question, answer = validator("question"), validator("answer")
    for asked, answered in zip(lines[::2], lines[1::2]):
        question.validate(json.loads(asked))
        answer.validate(json.loads(answered))


@pytest.mark.parametrize("body, says", [
    ("time.sleep(100)", "no answer within 1000 ms (it has to flush each line"),
    ("sys.stdin.close()\ntime.sleep(100)", "no answer within 1000 ms"),
    ("sys.exit(3)", "it ended with code 3 instead of answering"),
    ("pass", "it ended with code 0 instead of answering"),
    ("os.kill(os.getpid(), signal.SIGSEGV)", "signal 11 ended it instead of answering"),
    ("sys.stdout.write('{')", "in the middle of a line"),
    ("while True: os.write(1, b'x' * 5000)", "its line has no end within 16384 bytes"),
    (answering("'Hello, world'"), '"Hello, world" is not JSON'),
    (answering("json.dumps([1])"), "is not an object"),
    (answering("json.dumps({'replicas': -1, 'reason': 'x'})"), 'replicas is "-1": it must be an integer in [0, 1000]'),
    (answering("json.dumps({'replicas': 1, 'reason': 'x'}) + '\\n{}'"), "it printed more than one line for the snapshot before"),
    (answering("json.dumps({'replicas': 1001 if number == 7 else 2, 'reason': 'x'})"), 'line 8: replicas is "1001"'),
])
def test_a_program_that_does_wrong_is_named_with_the_place_and_is_ended(tmp_path, body, says):
    note = f"open('{tmp_path}/ids', 'a').write(f'{{os.getpid()}}\\n')\n"
    done = bench(tmp_path, program(tmp_path, note + body), flags=("--answer-timeout-s", "1") if "1000 ms" in says else ())
    assert done.returncode == 1 and done.stdout == ""
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: contestant 'mine', measured: service 100 ms, rate x1, start 3 s, run 1, second "), done.stderr
    assert says in error
    # The comparison waits for its own child, the shell. The kernel ends the rest of the killed group in its own time.
    wait_until(lambda: not any(is_running(line) for line in (tmp_path / "ids").read_text().split()))


def test_a_program_that_cannot_be_started_is_an_error(tmp_path):
    done = bench(tmp_path, "mine=/no/such/program")
    assert done.returncode == 1
    assert "it ended with code 127 instead of answering" in done.stderr


def test_what_a_program_started_ends_with_it(tmp_path):
    start = f"import subprocess\nopen('{tmp_path}/child', 'w').write(str(subprocess.Popen(['sleep', '1000']).pid))\n"
    command = program(tmp_path, start + answering('json.dumps({"replicas": 1, "reason": "One"})'))
    done = bench(tmp_path, command)
    assert done.returncode == 0, done.stderr
    assert not is_running((tmp_path / "child").read_text())


@pytest.mark.parametrize("contestant, says", [
    ("python3 my_policy.py", "it must be name=command"),
    ("=python3", "it must be name=command"),
    ("a,b=python3", "it must be name=command"),
    ("../up=python3", "begins with a letter or a digit"),
    ("mine=", "it has no command"),
    ("Latency=cat", "another contestant has this name"),
])
def test_a_contestant_that_cannot_play_is_refused_before_anything_is_played(tmp_path, contestant, says):
    done = bench(tmp_path, contestant)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"error: --contestant '{contestant}': " + done.stderr.split("': ", 1)[1] and says in done.stderr
