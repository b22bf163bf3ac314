"""Matplotlib for programs that may do without a plot: it writes files, and opens no window."""
from bench.compare.experiment import say


def pyplot():
    """The library, or None where it is not installed; that is said."""
    try:
        import matplotlib
    except ImportError as error:
        say(f"no plot: {error}")
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot
    return matplotlib.pyplot
