#!/usr/bin/env python3
"""A queueing formula: the least number of servers for which Erlang's C leaves at most 1 % of the requests waiting longer
than the latency target allows. It scales up at once and down to the most that the last 30 s needed."""
import collections
import json
import math
import sys

LATE, WINDOW, HOLD = 0.01, 10, 30  # a p99 target; seconds of samples; seconds of needs


def waits_longer(servers, load, service, wait):
    """The share of an M/M/n queue's requests that wait longer than `wait` seconds."""
    if load >= servers:
        return 1.0
    blocked = 1.0  # Erlang's B by its recursion
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    busy = servers * blocked / (servers - load * (1 - blocked))
    return busy * math.exp(-(servers - load) * wait / service)


class Queueing:
    def __init__(self):
        self.samples, self.needs = collections.deque(), collections.deque(maxlen=HOLD)

    def decide(self, question):
        settings, snapshot = question["settings"], question["snapshot"]
        sample, current = snapshot["sample"], snapshot["current"]
        if sample is None:
            return {"replicas": current, "reason": "NoData"}
        if self.samples and self.samples[-1]["epoch"] != sample["epoch"]:
            self.samples.clear()
        self.samples.append(sample)
        while len(self.samples) > WINDOW + 1:
            self.samples.popleft()
        first = self.samples[0]
        seconds = (sample["at_ns"] - first["at_ns"]) / 1e9
        completed = sample["completions"] - first["completions"]
        if seconds <= 0 or completed <= 0:
            return {"replicas": current + (sample["queue"] > 0), "reason": "Learning"}
        rate = (sample["arrivals"] - first["arrivals"]) / seconds
        service = (sample["service_seconds"] - first["service_seconds"]) / completed
        load = (rate + sample["queue"] / 2) * service  # the backlog is to be gone in two seconds
        wait = max(settings["latency_target_ms"] / 1000 - service, 0.05)
        need = settings["min_replicas"]
        while need < settings["max_replicas"] and waits_longer(need, load, service, wait) > LATE:
            need += 1
        self.needs.append(need)
        return {"replicas": max(self.needs), "reason": "ErlangC", "explanation": f"{rate:.1f}/s, {service:.3f} s, load {load:.2f}"}


if __name__ == "__main__":
    queueing = Queueing()
    for line in sys.stdin:
        print(json.dumps(queueing.decide(json.loads(line))), flush=True)
