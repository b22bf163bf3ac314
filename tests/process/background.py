"""Functions that run beside a test."""
import threading


class Background:
    """Runs a function in a thread; result() gives its value or raises what it raised."""

    def __init__(self, function, *args, **kwargs):
        self.value = self.error = None

        def run():
            try:
                self.value = function(*args, **kwargs)
            except BaseException as error:  # handed to result()
                self.error = error
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def done(self):
        return not self.thread.is_alive()

    def result(self, seconds=20):
        self.thread.join(seconds)
        assert self.done(), "still running"
        if self.error:
            raise self.error
        return self.value
