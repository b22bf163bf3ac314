
import signal

import pytest

from tests.process.fake_worker import FakeWorker
from tests.process.local import LocalOperator, alive
from tests.process.programs import Dispatcher
from tests.process.worker import Worker


def pytest_addoption(parser):
    parser.addoption("--scale-downs", type=int, default=12, help="of test_scale.py; its long form has 1000")
    parser.addoption("--rollouts", type=int, default=3, help="of test_scale.py; its long form has 100")
    parser.addoption("--scale-workers", choices=("fake", "real"), default="fake", help="of test_scale.py")


@pytest.fixture(scope="session", autouse=True)
def sanitizer_reports(tmp_path_factory):
    """Where every program of a sanitized build reports its faults, however deep it was started. Other builds do not know
    the variables. UBSan (of g++ 12) writes to the standard error whatever one says, so its reports are in the programs'
    logs; but what it is told of the path goes for ASan, last."""
    base = tmp_path_factory.getbasetemp()
    folder = tmp_path_factory.mktemp("sanitizers")
    seen = set()

    def new_reports():
        texts = {path: path.read_text(errors="replace") for path in [*folder.iterdir(), *base.rglob("*.log")] if path not in seen}
        faults = {path: text for path, text in texts.items() if path.parent == folder or "runtime error:" in text}
        seen.update(faults)
        return [f"{path.name}:\n{text[-8000:]}" for path, text in faults.items()]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASAN_OPTIONS", f"log_path={folder}/address")
        patch.setenv("UBSAN_OPTIONS", f"log_path={folder}/address:print_stacktrace=1")
        yield new_reports
    assert not (faults := new_reports()), "\n".join(faults)


@pytest.fixture(autouse=True)
def no_sanitizer_reports(sanitizer_reports):
    """Neither on the way nor, as leaks are, at a program's end."""
    yield
    assert not (faults := sanitizer_reports()), "\n".join(faults)


@pytest.fixture
def start_dispatcher(tmp_path):
    """Starts dispatchers with the given flags. At the test's end each must stop on SIGTERM with 0."""
    yield from started(Dispatcher, tmp_path / "dispatcher")


@pytest.fixture
def start_operator(tmp_path):
    """Starts operators; at the end each must stop on SIGTERM with 0 and leave no process and no folder behind."""
    started = []

    def start(documents, *flags, **options):
        folder = tmp_path / f"operator{len(started)}"
        folder.mkdir()
        started.append(LocalOperator(folder, documents, *flags, **options))
        return started[-1]

    yield start
    for operator in started:
        children = operator.processes()
        try:
            code = operator.stop(30)
        except BaseException:
            operator.kill()
            raise
        assert code in (0, -signal.SIGKILL), operator.log_text()[-4000:]
        assert not [name for name, pid in children.items() if alive(pid)]
        if code == 0:
            assert not list(operator.directory.glob("inference-operator-*"))


@pytest.fixture
def start_worker(tmp_path):
    """Starts workers. At the test's end each must stop on SIGTERM with 0."""
    from tests.process import worker
    yield from started(worker.Worker, tmp_path / "worker")


def started(kind, directory):
    programs = []

    def start(*flags, **options):
        programs.append(kind(f"{directory}{len(programs)}", *flags, **options))
        return programs[-1]

    yield start
    faults = []
    for program in programs:
        try:
            code = program.stop()
        except BaseException:
            program.kill()
            code = "killed: it did not stop"
        if code != 0:
            faults.append(f"exit {code}:\n{program.log_text()[-8000:]}")
    assert not faults, "\n".join(faults)


@pytest.fixture
def dispatcher(start_dispatcher):
    # A short drain, as some tests leave requests waiting on purpose.
    return start_dispatcher("--drain-timeout", "200ms")


@pytest.fixture
def link(dispatcher):
    """Makes fake workers of the test's dispatcher, and closes them."""
    workers = []

    def make(kind=FakeWorker, **options):
        workers.append(kind(options.pop("dispatcher", dispatcher), **options))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


@pytest.fixture
def start_worker(tmp_path):
    """Starts workers; at the test's end each must stop on SIGTERM with 0."""
    started = []

    def start(*flags, **options):
        started.append(Worker(tmp_path / f"worker{len(started)}", *flags, **options))
        return started[-1]

    yield start
    faults = []
    for one in started:
        try:
            code = one.stop()
        except BaseException:
            one.kill()
            code = "killed: it did not stop"
        if code != 0:
            faults.append(f"exit {code}:\n{one.log_text()[-8000:]}")
    assert not faults, "\n".join(faults)
