import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness  # noqa: E402


@pytest.fixture
def start_dispatcher(tmp_path):
    """Starts dispatchers with the given flags. At the test's end each must stop on SIGTERM with 0, and must not have
    crashed or been reported by a sanitizer."""
    started = []

    def start(*flags, **options):
        started.append(harness.Dispatcher(tmp_path / f"dispatcher{len(started)}", *flags, **options))
        return started[-1]

    yield start
    faults = []
    for dispatcher in started:
        try:
            code = dispatcher.stop()
        except BaseException:
            dispatcher.kill()
            code = "killed: it did not stop"
        if code != 0 or "Sanitizer" in dispatcher.log_text() or "runtime error:" in dispatcher.log_text():
            faults.append(f"exit {code}:\n{dispatcher.log_text()[-8000:]}")
    assert not faults, "\n".join(faults)


@pytest.fixture
def dispatcher(start_dispatcher):
    # A short drain, as some tests leave requests waiting on purpose.
    return start_dispatcher("--drain-timeout", "200ms")


@pytest.fixture
def link(dispatcher):
    """Makes fake workers of the test's dispatcher, and closes them."""
    workers = []

    def make(kind=harness.FakeWorker, **options):
        workers.append(kind(options.pop("dispatcher", dispatcher), **options))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()
