"""One run of the comparison on this machine: the operator with its processes, under its own policy or under an HPA."""
import datetime
import json
import math
import os
import random
import subprocess
import threading
import time

import yaml

from bench.compare.experiment import Clock, EverySecond, by_second, load_command, say, write_events, write_series
from bench.local_service import Service, ask, pictures_of
from bench.processes import end, spawn
from bench.waiting import Failed, wait_until

NAME = "resnet18"
WORKER_MILLICORES = 1000
CONNECTIONS = 1000  # the queue holds as many: all who wait shall wait there
TIMEOUT_SECONDS = 30
# After the warming: the arrivals of it have left the operator's window of 10 s, and the HPA has a worker's first rate.
SETTLE_SECONDS = 15
AT_REST_SECONDS = 60
SAYING_SECONDS = 15
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
# Where an HPA's own clock stands beside the load's: drawn from the seed, the same for every target.
SYNC_SECONDS, SCRAPE_SECONDS = 15, 15


def hpa_percent(scaler):
    """The target of hpaNN; None for ours."""
    return int(scaler.removeprefix("hpa")) if scaler.startswith("hpa") else None


def manifest_of(scaler, least, most):
    """The same service for every scaler, but for who decides."""
    policy = "Latency" if hpa_percent(scaler) is None else "External"
    spec = {"scaling": {"policy": policy, "minReplicas": least, "maxReplicas": most}}
    if policy == "External":
        spec["replicas"] = least
    return {"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService", "metadata": {"name": NAME}, "spec": spec}


def write_manifest(path, manifest):
    """As an editor does: a new file renamed over the old one."""
    partial = path.with_suffix(".new")
    partial.write_text(yaml.safe_dump(manifest, sort_keys=False))
    partial.rename(path)


def unix(timestamp):
    return datetime.datetime.fromisoformat(timestamp).timestamp()


def busy_seconds():
    """What all processes of this machine have used of its cores since it began."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / CLOCK_TICKS


class Lines:
    """The JSON lines of a file that is being written."""

    def __init__(self, path):
        self._path, self._read = path, 0

    def new(self):
        """The whole lines since the last call."""
        if not self._path.exists():
            return []
        with open(self._path, "rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[:text.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


class Workers:
    """The worker processes, from the operator's log."""

    def __init__(self, log_path):
        self._log = Lines(log_path)
        self.alive = {}  # name -> {"pid", "started", "ready_since" or None, "leaving"}
        self.starts = []  # seconds from start to ready, of all that ever were

    def update(self):
        for line in self._log.new():
            name = line.get("process", "")
            if "-worker-" not in name:
                continue
            if line["event"] == "process_started":
                self.alive[name] = {"pid": line["pid"], "started": unix(line["ts"]), "ready_since": None, "leaving": False}
            elif name in self.alive and line["event"] == "process_ready":
                self.alive[name]["ready_since"] = unix(line["ts"])
                self.starts.append(self.alive[name]["ready_since"] - self.alive[name]["started"])
            elif name in self.alive and line["event"] == "process_leaving":
                self.alive[name]["leaving"] = True
            elif line["event"] == "process_ended":
                self.alive.pop(name, None)

    def ready(self):
        return sum(each["ready_since"] is not None and not each["leaving"] for each in self.alive.values())

    def cpu_seconds(self):
        """What each has used since it began; without those that end just now."""
        used = {}
        for name, worker in self.alive.items():
            try:
                with open(f"/proc/{worker['pid']}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            used[name] = (int(fields[11]) + int(fields[12])) / CLOCK_TICKS  # proc(5): utime and stime
        return used


class Hpa:
    """`inference-bench hpa` beside the service: told of the workers each second, obeyed through the manifest."""

    def __init__(self, programs, percent, least, most, seed, manifest_path):
        phases = random.Random(seed)
        self.inputs, self.answers = [], []
        self._manifest_path, self._began = manifest_path, math.floor(time.time())
        self._manifest = yaml.safe_load(manifest_path.read_text())
        command = [programs / "inference-bench", "hpa", "--target-percent", percent, "--request-millicores", WORKER_MILLICORES,
                   "--min", least, "--max", most, "--sync", SYNC_SECONDS, "--phase", phases.uniform(0, SYNC_SECONDS),
                   "--resolution", SCRAPE_SECONDS, "--metrics-phase", phases.uniform(0, SCRAPE_SECONDS)]
        self._filter = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._thread = threading.Thread(target=self._obey, daemon=True)
        self._thread.start()

    @property
    def current(self):
        return self._manifest["spec"]["replicas"]

    def tell(self, at, workers, cpu_seconds):
        pods = [{"name": name, "ready": worker["ready_since"] is not None, "started_s": worker["started"] - self._began,
                 "transition_s": (worker["ready_since"] or worker["started"]) - self._began, "deleting": worker["leaving"],
                 "cpu_seconds_total": cpu_seconds[name]} for name, worker in workers.items() if name in cpu_seconds]
        line = {"time_s": at - self._began, "current": self.current, "pods": pods}
        self.inputs.append(line)
        try:
            self._filter.stdin.write(json.dumps(line) + "\n")
        except BrokenPipeError:
            raise Failed(f"inference-bench hpa ended with {self._filter.wait()}") from None

    def _obey(self):
        for text in self._filter.stdout:
            answer = json.loads(text)
            changed = answer["desired"] != self.current
            self.answers.append({**answer, "at": time.time(), "from": self.current})
            if changed:
                self._manifest["spec"]["replicas"] = answer["desired"]
                write_manifest(self._manifest_path, self._manifest)

    def stop(self):
        try:
            self._filter.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already, which tell() has reported
        end(self._filter)
        self._thread.join(5)

    def inputs_on(self, clock):
        """The lines that it was told, with times on the trace's clock."""
        ahead = clock.of(self._began)

        def moved(pod):
            return {**pod, "started_s": round(pod["started_s"] + ahead, 3), "transition_s": round(pod["transition_s"] + ahead, 3)}
        return [{**line, "time_s": round(line["time_s"] + ahead, 3), "pods": [moved(pod) for pod in line["pods"]]} for line in self.inputs]

    def events_on(self, clock):
        def why(answer):
            return "no usable metric" if answer["proposal"] is None else f"the CPU in use asks for {answer['proposal']}"
        return [{"time_s": clock.of(answer["at"]), "from": answer["from"], "to": answer["desired"], "reason": "HpaSync",
                 "message": f"{why(answer)}; after stabilisation and limits {answer['desired']}"}
                for answer in self.answers if answer["desired"] != answer["from"]]


class Run:
    def __init__(self, programs, scaler, images, least, most, seed, out):
        self.programs, self.scaler, self.images, self.seed, self.out = programs, scaler, images, seed, out
        self.least, self.most = least, most
        out.mkdir(parents=True, exist_ok=True)
        manifest_path = out / "service.yaml"
        write_manifest(manifest_path, manifest_of(scaler, least, most))
        self.service = Service(programs, manifest_path, out, flags=("--dispatcher-port", "0"))
        self.workers = Workers(self.service.log_path)
        self.decisions, self._decision_log = [], Lines(out / "decisions.jsonl")
        self.others_cores = None  # what the rest of the machine used before the load
        percent = hpa_percent(scaler)
        self.hpa = None
        if percent is not None:
            self.hpa = Hpa(programs, percent, least, most, seed, manifest_path)

    def _sample(self):
        """Every second: what the operator says, what the workers have used; and the HPA is told."""
        at, status = time.time(), self.service.status
        self.workers.update()
        cpu_seconds = self.workers.cpu_seconds()
        if self.hpa:
            self.hpa.tell(at, self.workers.alive, cpu_seconds)
        self.decisions += self._decision_log.new()
        # As the operator scraped it; the status has it coarser.
        queue = (self.decisions[-1]["snapshot"]["sample"] if self.decisions else None) or {}
        exist = len(self.workers.alive)
        return {"time_s": at, "desired": status.get("desiredReplicas"), "replicas": exist, "ready": self.workers.ready(),
                "queue": queue.get("queue"), "in_flight": queue.get("in_flight"),
                "allocated_cores": exist * WORKER_MILLICORES / 1000, "cpu_seconds": cpu_seconds}

    def play(self, trace_of, idle_s):
        """trace_of(what one worker carries a second) gives the trace. Returns the load's summary."""
        watcher = EverySecond(self._sample)
        try:
            self.service.wait_ready()
            trace = trace_of(self._worker_rps())
            before = busy_seconds()
            time.sleep(SETTLE_SECONDS)
            self.others_cores = (busy_seconds() - before) / SETTLE_SECONDS
            wait_until(lambda: self._at_rest(watcher), AT_REST_SECONDS, "rest with the least number of workers", interval=0.5)
            say(f"{self.scaler}: {sum(trace)} requests in {len(trace)} s")
            clock = self._send(trace, watcher)
            time.sleep(max(0, len(trace) + idle_s + 1 - clock.now()))
            if watcher.fault:
                say(f"{self.scaler}: a second was not seen: {watcher.fault}")
            self._write(watcher.stop(), clock)
        finally:
            watcher.stop()
            if self.hpa:
                self.hpa.stop()
            self.service.stop()
        return json.loads((self.out / "summary.json").read_text())

    def _worker_rps(self):
        """What one worker answers a second when a core is its own: by its CPU time, which other work on the machine does not
        change."""
        self.workers.update()
        before = sum(self.workers.cpu_seconds().values())
        answers = len(ask(self.service, pictures_of(self.images)))
        return answers / max(sum(self.workers.cpu_seconds().values()) - before, 1 / CLOCK_TICKS)

    def _at_rest(self, watcher):
        last = watcher.samples[-1]
        return last["desired"] == last["replicas"] == last["ready"] == self.least and not last["queue"]

    def _send(self, trace, watcher):
        """Plays the load to its end; the trace's clock."""
        trace_file, log = self.out / "trace.txt", self.out / "load.log"
        trace_file.write_text("\n".join(map(str, trace)) + "\n")
        command = load_command(self.programs, self.service.endpoint + "/predict", self.images, trace_file, self.seed, self.out,
                               timeout=f"{TIMEOUT_SECONDS}s")
        with open(log, "wb") as text:
            load = spawn([*command, "--connections", CONNECTIONS], stdout=text, stderr=text)
        try:
            # It says its seed right before the first request.
            wait_until(lambda: log.stat().st_size or load.poll() is not None, 30, "the load's beginning")
            clock = Clock(log.stat().st_mtime)
            following = SAYING_SECONDS
            while load.poll() is None:
                if self.service.process.poll() is not None:
                    raise Failed(f"the operator ended with {self.service.process.returncode}: {self.service.last_words()}")
                if clock.now() > len(trace) + TIMEOUT_SECONDS + 30:
                    raise Failed("the load did not end in time")
                if clock.now() >= following:
                    last = watcher.samples[-1]
                    say(f"  {clock.now():4.0f} s  {trace[min(int(clock.now()), len(trace) - 1)]:3} requests/s  "
                        f"waiting {last['queue']}  ready {last['ready']}  desired {last['desired']}")
                    following += SAYING_SECONDS
                time.sleep(0.1)
        finally:
            end(load)
        if load.returncode:
            raise Failed(f"inference-bench load ended with {load.returncode}: {log.read_text()[-500:]}")
        return clock

    def _write(self, samples, clock):
        for now, following in zip(samples, samples[1:]):
            seconds = following["time_s"] - now["time_s"]
            # A worker's first second counts from nothing; the last moments of one that ends are lost.
            used = sum(value - now["cpu_seconds"].get(name, 0) for name, value in following["cpu_seconds"].items())
            now["used_cores"] = used / seconds
        rows = by_second([{**each, "time_s": clock.of(each["time_s"])} for each in samples])
        write_series(self.out / "series.csv", rows)
        write_events(self.out / "events.csv", self.hpa.events_on(clock) if self.hpa else self._decisions(clock))
        (self.out / "service.json").write_text(json.dumps(self._service_counters()) + "\n")
        if self.hpa:
            lines = "".join(json.dumps(line) + "\n" for line in self.hpa.inputs_on(clock))
            (self.out / "hpa_inputs.jsonl").write_text(lines)

    def _service_counters(self):
        """The dispatcher's counters of service times as (first, last) of the run; null where the operator saw none."""
        seen = [sample for sample in (each["snapshot"]["sample"] for each in self.decisions) if sample]
        names = ("completions", "service_seconds", "service_seconds_squared")
        return {name: [seen[0][name], seen[-1][name]] if seen else None for name in names}

    def _decisions(self, clock):
        decisions = [(clock.of(unix(line["ts"])), line["decision"]) for line in self.decisions]
        return [{"time_s": at, "from": each["from"], "to": each["to"], "reason": each["reason"], "message": each["formula"]}
                for at, each in decisions if each["from"] != each["to"]]
