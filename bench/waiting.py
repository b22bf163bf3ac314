"""What went wrong, and waiting for what may go wrong: of the benchmarks and of the tests."""
import time


class Failed(Exception):
    """What went wrong, in words for the user; printed without a traceback."""


class NotYet(Exception):
    """The condition does not hold yet; args: why, where that is known."""


def eventually(check, seconds, interval=0.25, passing=(AssertionError, KeyError, IndexError), alive=None):
    """What check() returns as soon as it raises none of `passing`; its last fault is raised after `seconds`. `alive` raises when
    waiting is pointless."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except passing:
            if alive:
                alive()
            if time.monotonic() > end:
                raise
        time.sleep(interval)


def wait_until(condition, seconds=10, what="the condition", interval=0.01, passing=(), alive=None):
    """The first true value of condition(). Failed after `seconds`, with the last of the faults in `passing`, which mean "not yet"."""
    def check():
        try:
            value = condition()
        except passing as error:
            raise NotYet(f": {getattr(error, 'stderr', None) or error}") from error
        if not value:
            raise NotYet("")
        return value
    try:
        return eventually(check, seconds, interval, NotYet, alive)
    except NotYet as last:
        raise Failed(f"{what} did not come true within {seconds:g} s{last}") from last.__cause__
