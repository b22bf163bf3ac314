#!/usr/bin/env python3
"""A PID controller on the queue's delay: how long the waiting requests will take, against a fifth of the latency target.
The integral winds up to the bounds only, and the derivative sees a step before the integral does."""
import json
import sys

P, I, D = 1.2, 0.15, 0.4  # workers per error, per error-second, per error/second; tried on the course trace


class Pid:
    def __init__(self):
        self.integral = self.error = 0.0
        self.last = None

    def decide(self, question):
        settings, snapshot = question["settings"], question["snapshot"]
        sample, current = snapshot["sample"], snapshot["current"]
        if sample is None or self.last is None or sample["epoch"] != self.last["epoch"]:
            self.last = sample
            return {"replicas": current, "reason": "NoData"}
        seconds = (sample["at_ns"] - self.last["at_ns"]) / 1e9
        if seconds <= 0:
            return {"replicas": current, "reason": "Repeated"}
        arrivals = (sample["arrivals"] - self.last["arrivals"]) / seconds
        completed = sample["completions"] - self.last["completions"]
        busy = (sample["service_seconds"] - self.last["service_seconds"]) / seconds
        self.last = sample
        if completed <= 0:
            return {"replicas": current + (sample["queue"] > 0), "reason": "NothingCompleted"}
        service = busy * seconds / completed
        delay = sample["queue"] * service / max(current, 1)
        error = max(-1.0, min(delay / (0.2 * settings["latency_target_ms"] / 1000) - 1, 8.0))
        most = settings["max_replicas"]
        self.integral = max(-most / I, min(self.integral + error * seconds, most / I))
        slope, self.error = (error - self.error) / seconds, error
        # The load itself is fed forward; the controller corrects what that gets wrong.
        wanted = arrivals * service / 0.8 + P * error + I * self.integral + D * slope
        count = max(settings["min_replicas"], min(round(wanted), most))
        return {"replicas": count, "reason": "Delay", "explanation": f"delay {delay:.3f} s, error {error:+.2f}"}


def main():
    policy = Pid()
    for line in sys.stdin:
        print(json.dumps(policy.decide(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
