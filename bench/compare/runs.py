"""One run of the comparison: the same service, the same load, another scaler."""
import collections
import dataclasses
import json
import time

from bench.compare import hpa_model, manifests, watch
from bench.compare.experiment import Clock, EverySecond, by_second, events_of, load_command, output_of, say, write_events, write_series
from bench.compare.kube import Service
from bench.processes import end, spawn
from bench.waiting import Failed, wait_until

WARM_SECONDS, WARM_RPS = 20, 2
# After warming up: metrics-server has measured twice, and the queue's statistics have nothing of the warming in them.
SETTLE_SECONDS = 40
# An autoscaler that took a worker's start for load needs its five minutes of stabilisation to come back to one.
BACK_TO_LEAST_SECONDS = 420
CONNECTIONS = manifests.QUEUE_CAPACITY  # all who wait shall wait in the service's queue
SAYING_SECONDS = 15
HPA_SYNC_SECONDS = 15  # the controller manager's default
DRAIN_SECONDS = 150  # until a calibration's queue is empty, also where a worker answers one picture a second


@dataclasses.dataclass
class Settings:
    """What is the same for all runs."""

    cpu: str
    memory: str
    target: str
    least: int
    most: int
    seed: int
    idle_s: int

    @property
    def worker_cores(self):
        return watch.cores(self.cpu)


class Run:
    def __init__(self, cluster, prometheus, programs, settings, images, out):
        self.cluster, self.prometheus, self.programs, self.settings = cluster, prometheus, programs, settings
        self.images, self.out = images, out
        self.service = Service(cluster, manifests.NAMESPACE, manifests.NAME)
        self.starts = {}  # worker pod -> (created, seconds until it was ready)
        self.hpa_inputs = []
        self.load = None

    # The cluster's view, each second --------------------------------------

    def _sample(self):
        at = time.time()
        resource, pods = self.service.resource(), self.service.worker_pods()
        for pod in pods:
            start = watch.start_of(pod)
            if start:
                self.starts.setdefault(start[0], start[1:])
        if resource.get("spec", {}).get("scaling", {}).get("policy") == "External":
            current = resource["spec"].get("replicas", 1)
            self.hpa_inputs.append(watch.hpa_input(at, current, pods, self.service.metrics()))
        waiting = resource.get("status", {}).get("queue", {}).get("depth")
        return {**watch.observed(at, pods, resource), "waiting": waiting}

    def _at_rest(self, watcher):
        """The least number of workers, ready, nothing waiting, and an autoscaler that sees them."""
        last = watcher.samples[-1] if watcher.samples else {}
        least = self.settings.least
        at_least = last.get("desired") == last.get("replicas") == last.get("ready") == least and not last.get("waiting")
        if not self.hpa_inputs or not at_least:
            return at_least
        return all("cpu_millicores" in pod for pod in self.hpa_inputs[-1]["pods"])

    # The load -------------------------------------------------------------

    def _load_command(self, url, *options):
        return [*self.cluster.on_network(), self.programs / "inference-bench", "load", "--url", url, "--images", self.images,
                "--seed", self.settings.seed, "--timeout", manifests.REQUEST_TIMEOUT, "--connections", CONNECTIONS, *options]

    def warm(self, url):
        said = output_of(self._load_command(url, "--rate", WARM_RPS, "--seconds", WARM_SECONDS), WARM_SECONDS + DRAIN_SECONDS)
        if "errors 0" not in said:
            raise Failed(f"the service did not answer every picture while it was calm: {said}")

    def saturate(self, url, rate, seconds, out):
        """Answers per second while more is asked for than one worker can give; until all are answered."""
        command = self._load_command(url, "--rate", rate, "--seconds", seconds, "--json", out)
        output_of(command, seconds + DRAIN_SECONDS)
        return json.loads(out.read_text())

    def _send(self, url, trace, trace_file, watcher):
        command = load_command(self.programs, url, self.images, trace_file, self.settings.seed, self.out,
                               timeout=manifests.REQUEST_TIMEOUT)
        log = self.out / "load.log"
        with open(log, "wb") as text:
            command = [*self.cluster.on_network(), *command, "--connections", CONNECTIONS]
            self.load = spawn(command, stdout=text, stderr=text)
        try:
            began = lambda: b"\n" in log.read_bytes() or self.load.poll() is not None  # noqa: E731
            wait_until(began, 30, "the load's beginning")
            # It says its seed as the last thing before its first request: that is the start of the run's clock.
            clock = Clock(log.stat().st_mtime)
            deadline = len(trace) + watch.duration_s(manifests.REQUEST_TIMEOUT) + 60
            following = SAYING_SECONDS
            while self.load.poll() is None:
                if clock.now() > deadline:
                    raise Failed(f"the load did not end within {deadline:.0f} s")
                if clock.now() >= following:
                    self._say_state(clock, trace, watcher)
                    following += SAYING_SECONDS
                time.sleep(0.2)
        finally:
            end(self.load)
        if self.load.returncode:
            raise Failed(f"inference-bench load ended with {self.load.returncode}: {log.read_text()[-500:]}")
        return clock

    @staticmethod
    def _say_state(clock, trace, watcher):
        last = watcher.samples[-1] if watcher.samples else collections.defaultdict(lambda: None)
        rate = trace[min(int(clock.now()), len(trace) - 1)]
        say(f"  {clock.now():4.0f} s  {rate:3} requests/s  waiting {last['waiting']}  ready {last['ready']}"
            f"  replicas {last['replicas']}  desired {last['desired']}")

    # The run ----------------------------------------------------------------

    def play(self, scaler, trace, trace_file):
        """Everything of one run into `out`; the summary of the load."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.service.start(manifests.of(scaler, self.settings))
        watcher = EverySecond(self._sample)
        try:
            url = self.service.url()
            self.warm(url)
            time.sleep(SETTLE_SECONDS)
            wait_until(lambda: self._at_rest(watcher), BACK_TO_LEAST_SECONDS, "one worker at rest", interval=0.5)
            say(f"{scaler}: {sum(trace)} requests in {len(trace)} s")
            clock = self._send(url, trace, trace_file, watcher)
            time.sleep(max(0, len(trace) + self.settings.idle_s - clock.now()))
            samples = watcher.stop()
            if watcher.fault:
                say(f"{scaler}: a second was not seen: {watcher.fault}")
            self._write(scaler, samples, clock)
        finally:
            watcher.stop()
            self.service.stop()
        return json.loads((self.out / "summary.json").read_text())

    def _write(self, scaler, samples, clock):
        time.sleep(6)  # the nodes' metrics come every five seconds
        since, until = min(each["time_s"] for each in samples), time.time()
        rows = by_second([{**each, "time_s": clock.of(each["time_s"])} for each in samples])
        mine = f'{{namespace="{manifests.NAMESPACE}"}}'
        queue = self.prometheus.by_second(f"sum(dispatcher_queue_size{mine})", since, until)
        in_flight = self.prometheus.by_second(f"sum(dispatcher_in_flight{mine})", since, until)
        used = self._used(clock, since, until)
        (self.out / "service.json").write_text(json.dumps(self._service(mine, since, until)) + "\n")
        for row in rows:
            # A scrape of second s is of the instant s: it is the value with which that second begins.
            at = round(clock.started_unix_s + row["time_s"])
            row["queue"], row["in_flight"] = queue.get(at), in_flight.get(at)
            row["used_cores"] = used.get(row["time_s"])
            if row.get("replicas") is not None:
                row["allocated_cores"] = row["replicas"] * self.settings.worker_cores
        why = watch.reason_of_ours if scaler == "ours" else watch.reason_of_hpa(self._hpa_events())
        write_series(self.out / "series.csv", rows)
        write_events(self.out / "events.csv", events_of(rows, why))
        self.hpa_inputs = [watch.on_clock(line, clock) for line in self.hpa_inputs]
        if self.hpa_inputs:
            with open(self.out / "hpa_inputs.jsonl", "w", encoding="utf-8") as lines:
                for line in self.hpa_inputs:
                    lines.write(json.dumps(line) + "\n")

    def model_note(self, scaler):
        """How the simulator's HPA compares with the controller of this run."""
        percent, request = manifests.SCALERS[scaler], round(1000 * self.settings.worker_cores)
        flags = ["--target-percent", percent, "--request-millicores", request, "--min", self.settings.least, "--max", self.settings.most]
        program = self.programs / "inference-bench"
        real, model, apart = hpa_model.agreement(program, self.hpa_inputs, HPA_SYNC_SECONDS, flags)
        subject = f"{scaler}: the simulator's HPA, given the same CPU readings and the phase of its period that fits best,"
        if apart == float("inf"):
            return f"{subject} scales otherwise: {model}; the controller: {real}."
        return f"{subject} makes the same {len(real)} changes as the controller, at most {apart:.1f} s apart."

    def _service(self, mine, since, until):
        """The dispatcher's counters of service times as (first, last) of the run; null where they were not scraped."""
        counters = {}
        for name in ("completions", "service_seconds", "service_seconds_squared"):
            seen = self.prometheus.by_second(f"sum(dispatcher_{name}_total{mine})", since, until)
            counters[name] = [seen[min(seen)], seen[max(seen)]] if seen else None
        return counters

    def _used(self, clock, since, until):
        mine = f'{{namespace="{manifests.NAMESPACE}",container="worker"}}'
        counters = collections.defaultdict(list)
        for labels, samples in self.prometheus.counters(f"container_cpu_usage_seconds_total{mine}", since, until):
            counters[labels["pod"]] += [(clock.of(at), value) for at, value in samples]
        starts = {labels["pod"]: clock.of(samples[-1][1]) for labels, samples in
                  self.prometheus.counters(f"container_start_time_seconds{mine}", since, until)}
        return watch.cores_by_second(counters, starts, clock.of(since), clock.of(until))

    def _hpa_events(self):
        mine = self.cluster.get(self.service.path("horizontalpodautoscalers", "apis/autoscaling/v2"))["metadata"]["uid"]
        events = self.cluster.get(f"/apis/events.k8s.io/v1/namespaces/{manifests.NAMESPACE}/events")["items"]
        return [each for each in events if each["regarding"].get("uid") == mine]
