#!/usr/bin/python3
"""What stands between clients and workers: this project's dispatcher, HAProxy, nginx and one written with aiohttp, each before
workers that answer at once. They take turns under the same load in one run: pictures of 110 kB, sent raw or in a form.

Prints a table, writes turns.csv and dispatcher.png, and ends with one line of JSON. CPU is that of the one in the middle alone.
A figure is worth something as a ratio to another of the same run."""
import argparse
import csv
import json
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import time

from bench import processes
from bench.compare.experiment import say
from bench.dispatcher import contestants
from bench.plot import canvas, style
from bench.waiting import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = 20270118
PICTURE_BYTES = 110_000
# As many as are sent within a tenth of a second: clients do not send one picture over and over.
PICTURES = 40
WAITING = (10, 1_000, 100_000)
# What a load may take beyond its length, on a busy machine.
PATIENCE_SECONDS = 60
# How each contestant is asked. nginx passes a form on as it does anything else, and the aiohttp one takes forms alone.
WAYS = {"ours": ("raw", "form"), "haproxy": ("raw", "form"), "nginx": ("raw",), "aiohttp": ("form",), "direct": ("raw",)}


def flags():
    parser = argparse.ArgumentParser(prog="bench/run dispatcher", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns: under a minute")
    parser.add_argument("--rounds", type=int, help="turns that each contestant gets in each way (default: 5; --quick: 2)")
    parser.add_argument("--seconds", type=float, help="length of a turn (default: 5; --quick: 2)")
    parser.add_argument("--rate", type=float, default=400, help="requests a second (default: 400)")
    parser.add_argument("--workers", type=int, default=4, help="null workers behind each (default: 4)")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections whose memory is measured (default: 10000)")
    parser.add_argument("--peers", default="haproxy,nginx,aiohttp", help="whom to measure beside ours (default: haproxy,nginx,aiohttp)")
    parser.add_argument("--core", type=int, default=0, help="the core that the contestants are pinned to (default: 0)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/dispatcher", help="folder of the results")
    options = parser.parse_args()
    options.rounds = options.rounds if options.rounds is not None else 2 if options.quick else 5
    options.seconds = options.seconds if options.seconds is not None else 2 if options.quick else 5
    for name, most in (("rounds", 10_000), ("seconds", 3600), ("rate", 100_000), ("workers", 100), ("idle", 10_000)):
        least = 0 if name == "idle" else 1
        if not least <= getattr(options, name) <= most:
            parser.error(f"--{name}: is {getattr(options, name)}; allowed are {least} to {most}")
    if options.core not in os.sched_getaffinity(0):
        parser.error(f"--core: is {options.core}; allowed are {sorted(os.sched_getaffinity(0))}")
    options.peers = [name for name in options.peers.split(",") if name]
    for name in options.peers:
        if name not in ("haproxy", "nginx", "aiohttp"):
            parser.error(f"--peers: has '{name}'; allowed are haproxy, nginx and aiohttp")
    return options


def write_pictures(folder):
    """JPEGs of about PICTURE_BYTES, no two alike: noise of the amplitude that gives them."""
    import cv2
    import numpy as np
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES):
        noise = np.random.default_rng([SEED, number]).normal(0, 1, (480, 640, 3))
        low, high = 0.0, 120.0
        for _ in range(9):
            middle = (low + high) / 2
            _, jpeg = cv2.imencode(".jpg", (128 + middle * noise).clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
            low, high = (middle, high) if len(jpeg) < PICTURE_BYTES else (low, middle)
        (folder / f"{number:02}.jpg").write_bytes(jpeg.tobytes())


class Direct:
    """No contestant: the client asks a null worker itself. What the others add is counted from here."""
    name = "direct"

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/predict"

    def cpu_seconds(self):
        return 0.0

    def end(self):
        pass


def start(options, binaries, core, others):
    """The contestants that run here, and the null workers behind those that speak HTTP to them."""
    null, ports = contestants.null_workers(others, "http", str(options.workers))
    loaded = [Direct(ports[0])]
    starters = {"ours": lambda: contestants.ours(binaries, options.out, core, others, options.workers),
                "haproxy": lambda: contestants.haproxy(options.out, core, ports),
                "nginx": lambda: contestants.nginx(options.out, core, ports),
                "aiohttp": lambda: contestants.aiohttp(core, ports)}
    for name in ["ours", *options.peers]:
        if name in ("haproxy", "nginx") and not contestants.installed(name):
            say(f"{name}: left out, it is not installed")
            continue
        try:
            loaded.append(starters[name]())
        except Failed as error:
            if name == "ours":
                raise
            say(f"{name}: left out: {error}")
    return loaded, null


def turn(one, way, number, options, binaries, others):
    report = options.out / "load.json"
    report.unlink(missing_ok=True)
    command = ["taskset", "-c", others, binaries / "inference-bench", "load", "--url", one.url, "--images", options.out / "pictures",
               "--rate", options.rate, "--seconds", options.seconds, "--seed", number, "--json", report]
    before = one.cpu_seconds()
    try:
        subprocess.run([str(word) for word in command] + (["--form"] if way == "form" else []), check=True, stdout=subprocess.DEVNULL,
                       timeout=options.seconds + PATIENCE_SECONDS)
    except subprocess.SubprocessError as error:
        raise Failed(f"the load on {one.name}, {way}: {error}") from error
    spent = one.cpu_seconds() - before
    found = json.loads(report.read_text())
    return {"name": one.name, "way": way, "requests": found["requests"], "errors": found["errors"],
            "cpu_ms": 1000 * spent / max(1, found["requests"]), "p50_ms": found["p50_ms"], "p99_ms": found["p99_ms"]}


def measure(loaded, options, binaries, others):
    pairs = [(one, way) for one in loaded for way in WAYS[one.name]]
    for one, way in pairs:  # what the first requests prepare
        turn(one, way, 1, argparse.Namespace(**{**vars(options), "seconds": 1, "rate": 50}), binaries, others)
    turns = []
    for number in range(options.rounds):
        # Another one begins each time, so that nobody always follows the same neighbour.
        for at in range(len(pairs)):
            turns.append(turn(*pairs[(number + at) % len(pairs)], number + 1, options, binaries, others))
    return turns


def summed_up(turns):
    rows = []
    for name, ways in WAYS.items():
        for way in ways:
            mine = [turn for turn in turns if (turn["name"], turn["way"]) == (name, way)]
            if mine:
                rows.append({"name": name, "way": way, "requests": sum(turn["requests"] for turn in mine),
                             "errors": sum(turn["errors"] for turn in mine),
                             **{key: statistics.median(turn[key] for turn in mine) for key in ("cpu_ms", "p50_ms", "p99_ms")},
                             "least_cpu_ms": min(turn["cpu_ms"] for turn in mine)})
    direct = next(row for row in rows if row["name"] == "direct")
    for row in rows:
        row["added_p50_ms"] = row["p50_ms"] - direct["p50_ms"]
        row["added_p99_ms"] = row["p99_ms"] - direct["p99_ms"]
    return [{key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()} for row in rows]


def idle_memory(one, count):
    """Bytes that `count` kept connections take, each of which has asked once."""
    before = one.resident_bytes()
    connections = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", one.port), 30)
            connections.append(connection)
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not connection.recv(4096).startswith(b"HTTP/1.1 "):
                raise Failed(f"{one.name} does not answer on connection {len(connections)}")
        time.sleep(0.5)
        return one.resident_bytes() - before
    finally:
        for connection in connections:
            connection.close()


def queue_costs(binaries, quick):
    done = subprocess.run([str(binaries / "inference-bench"), "queue", "--requests", "100000" if quick else "1000000",
                           "--waiting", *map(str, WAITING)], check=True, capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout)["rows"]


def ratio(rows, one, other, key="cpu_ms"):
    found = {(row["name"], row["way"]): row[key] for row in rows}
    return round(found[one] / found[other], 3) if found.get(one) and found.get(other) else None


def draw(rows, path):
    if (plt := canvas.pyplot()) is None:
        return
    shown = [row for row in rows if row["name"] != "direct"][::-1]
    figure, axes = plt.subplots(1, 2, figsize=(9, 0.4 * len(shown) + 1), sharey=True)
    for axis, key, label in zip(axes, ("cpu_ms", "added_p50_ms"), ("CPU of a request, ms", "added at p50, ms")):
        axis.barh([f"{row['name']}, {row['way']}" for row in shown], [row[key] for row in shown],
                  color=[style.OURS if row["name"] == "ours" else style.CLASSIC for row in shown])
        axis.set_xlabel(label)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def write(turns, rows, out):
    with open(out / "turns.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, turns[0].keys())
        writer.writeheader()
        writer.writerows(turns)
    draw(rows, out / "dispatcher.png")


def compare(options):
    binaries = pathlib.Path(os.environ.get("EI_BIN", ROOT / "build/release/bin"))
    options.out.mkdir(parents=True, exist_ok=True)
    if not (options.out / "pictures" / f"{PICTURES - 1:02}.jpg").exists():
        write_pictures(options.out / "pictures")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    core = str(options.core)
    # The client and the workers run beside the contestant, not on its core, where there is another one.
    others = ",".join(str(one) for one in sorted(os.sched_getaffinity(0) - {options.core})) or core
    load_before = os.getloadavg()[0]
    loaded, null = [], None
    try:
        loaded, null = start(options, binaries, core, others)
        turns = measure(loaded, options, binaries, others)
        idle = {one.name: round(idle_memory(one, options.idle) / 1e6, 1) for one in loaded
                if options.idle and one.name in ("ours", "haproxy", "nginx")}
    finally:
        for one in loaded:
            one.end()
        if null:
            processes.end(null)
    rows, queue = summed_up(turns), queue_costs(binaries, options.quick)
    write(turns, rows, options.out)
    print(f"{'':16} {'CPU ms':>8} {'least':>8} {'p50 ms':>8} {'p99 ms':>8} {'added p50':>10} {'added p99':>10} {'errors':>7}")
    for row in rows:
        print(f"{row['name'] + ', ' + row['way']:16} {row['cpu_ms']:8.3f} {row['least_cpu_ms']:8.3f} {row['p50_ms']:8.2f} "
              f"{row['p99_ms']:8.2f} {row['added_p50_ms']:10.2f} {row['added_p99_ms']:10.2f} {row['errors']:7}")
    for name, megabytes in idle.items():
        print(f"{options.idle} idle connections, {name}: {megabytes} MB")
    for row in queue:
        print(f"the queue with {row['waiting']} waiting: {row['ns']:.0f} ns for each request")
    print(json.dumps({
        "load_before": round(load_before, 1), "rate": options.rate, "workers": options.workers, "rows": rows,
        "idle_connections": options.idle, "idle_mb": idle, "queue": queue,
        "ratios": {f"{way}, our CPU / {other}'s": ratio(rows, ("ours", way), (other, other_way))
                   for way, other, other_way in (("raw", "haproxy", "raw"), ("form", "haproxy", "form"), ("raw", "nginx", "raw"),
                                                 ("form", "aiohttp", "form"))}}))


def main():
    options = flags()
    try:
        compare(options)
    except Failed as failed:
        say(f"FAILED: {failed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
