"""The flags of ./bench/run cluster. Needs nothing but Python, so that they are checked before anything is installed or
built: `flags.py cluster FLAGS` and `flags.py local FLAGS` say what is wrong with them, or show the help."""
import argparse
import pathlib
import random
import re
import sys

from bench.compare.experiment import new_folder

SCALERS = ("ours", "hpa70", "hpa90")  # of a cluster; local.py has an HPA of any percentage
PEERS = ("kpa", "keda")  # simulated alone
QUICK_SECONDS, QUICK_IDLE = 90, 10
SHORTEST_SECONDS = 30  # two syncs of the HPA

CLUSTER = """The same trace against the same pods of a real cluster, once for each scaler; the last line of output is JSON.

Without KUBECONFIG it starts a Kubernetes node on this machine and ends it afterwards. With KUBECONFIG it uses that
cluster: give it the images with --helm-values, or let the operator that is installed there serve.
"""
LOCAL = """The same trace for the operator's own policy and for a model of the HPA at 70 % and 90 % CPU, with processes of this
machine. The last line of output is JSON."""


def file(text):
    path = pathlib.Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{path} is no file")
    return path


def at_least(least, number=int):
    def checked(text):
        value = number(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return value
    checked.__name__ = number.__name__  # argparse names it when the text is no number
    return checked


def like(pattern, example):
    """A type for words that Kubernetes reads later."""
    def checked(text):
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text!r} is none, like {example}")
        return text
    return checked


def names(pattern, allowed):
    """A type for a list of names with commas between them, each at most once."""
    def checked(text):
        found = [name for name in text.split(",") if name]
        for name in found:
            if not re.fullmatch(pattern, name):
                raise argparse.ArgumentTypeError(f"{name!r} is not allowed: {allowed}")
        if len(set(found)) < len(found):
            raise argparse.ArgumentTypeError("each only once")
        return found
    return checked


class Options(argparse.ArgumentParser):
    def __init__(self, prog, description):
        super().__init__(prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
                         allow_abbrev=False)

    def option(self, name, text, **more):
        shown = " (default: %(default)s)" if more.get("default") is not None and more.get("action") is None else ""
        self.add_argument(name, help=text + shown, **more)

    def common(self, scalers):
        """What both comparisons have."""
        self.option("--scaler", f"which, in this order: {scalers.allowed}", type=scalers, default=",".join(SCALERS))
        self.option("--peers", f"which the simulator plays beside them, on the same trace with the measured service and start "
                    f"times: any of {', '.join(PEERS)}; none: ''", type=names("|".join(PEERS), ", ".join(PEERS)),
                    default=",".join(PEERS))
        self.option("--trace", "your own arrivals, integers per second (default: the course trace)", type=file)
        self.option("--seed", "of pictures, arrivals and clocks; drawn and printed when not given", type=int)
        self.option("--out", "result folder (default: a new one in bench/results)", type=pathlib.Path)

    def parsed(self, words, kind):
        chosen = self.parse_args(words)
        chosen.scalers = chosen.scaler
        if not chosen.scalers:
            self.error("--scaler: at least one")
        # Seeds of training and of its held-out pictures are small numbers and have been seen.
        chosen.seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1_000_000, 2**31)
        chosen.out = (chosen.out or new_folder(kind)).absolute()
        return chosen


def scalers_of(pattern, allowed):
    checked = names(pattern, allowed)
    checked.allowed = allowed
    return checked


def cluster(words=None):
    options = Options("bench/run cluster", CLUSTER)
    options.common(scalers_of("|".join(SCALERS), ", ".join(SCALERS)))
    option = options.option
    option("--scale", "of the trace (default: its busiest minute needs five of six workers)", type=at_least(1e-6, float))
    option("--seconds", "a shortened trace: every n-th second of it; not comparable", type=at_least(1))
    option("--quick", f"--seconds {QUICK_SECONDS} --idle {QUICK_IDLE}: a smoke run, not comparable", action="store_true")
    option("--idle", "seconds watched after the trace", type=at_least(0), default=60)
    option("--cpu", "CPU request and limit of a worker; six of 200m fit on two cores", default="200m",
           type=like(r"\d+m|\d+(\.\d+)?", "200m or 0.5"))
    option("--memory", "memory of a worker", default="512Mi")
    option("--target", "latencyTarget", default="500ms", type=like(r"\d+ms|\d+(\.\d+)?s", "500ms or 1s"))
    option("--max", "maxReplicas", type=at_least(1), default=6)
    option("--keep", "leave our own node running", action="store_true")
    option("--helm-values", "with KUBECONFIG: a values file that names images it can pull", type=file)
    option("--archives", "image archives to use instead of building", type=file, nargs="+", default=None, metavar="TAR")
    chosen = options.parsed(words, "cluster")
    if chosen.quick:
        chosen.seconds, chosen.idle = chosen.seconds or QUICK_SECONDS, min(chosen.idle, QUICK_IDLE)
    return chosen


def local(words=None):
    options = Options("bench/run cluster --local", LOCAL)
    options.common(scalers_of(r"ours|hpa[1-9]\d{0,2}", "ours, or hpa with a percentage, like hpa70"))
    options.option("--seconds", "about the length of each run's trace, which is shortened to it", type=at_least(SHORTEST_SECONDS),
                   default=210)
    options.option("--idle", "seconds to watch on after the trace", type=at_least(0), default=0)
    return options.parsed(words, "local")


if __name__ == "__main__":
    {"cluster": cluster, "local": local}[sys.argv[1]](sys.argv[2:])
