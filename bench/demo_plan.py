"""The load of a demo run, from what one worker of this machine can carry."""
import math

# Calm: so little that one worker keeps the latency target alone, also where a picture takes a third of the target.
CALM_LOAD = 0.15
# The burst must be plainly too much for one worker; two on two cores share these with everybody else.
LEAST_BURST_LOAD = 1.5
# Of the workers that the machine has cores for, the burst wants so many busy: the rest is for client and dispatcher.
BURST_SHARE = 0.65
# Until new workers are up (a few seconds) what one cannot carry waits, and the queue holds 1,000.
START_SECONDS = 3
WAITING_MOST = 600
# Shares of the run: calm, burst, and the long calm in which the load is forgotten and the workers are taken away.
CALM_SHARE, BURST_SHARE_OF_TIME = 0.1, 0.28


class Plan:
    """capacity_rps: what one worker carries; cores: the most workers the machine can have."""

    def __init__(self, seconds, capacity_rps, cores):
        self.capacity_rps = capacity_rps
        self.burst_load = BURST_SHARE * cores
        self.burst_load = min(self.burst_load, 1 + WAITING_MOST / (capacity_rps * START_SECONDS))
        # One core can have one worker: it is not overloaded, as nothing could help it.
        self.burst_load = max(self.burst_load, LEAST_BURST_LOAD) if cores > 1 else BURST_SHARE
        self.calm_rps = max(1, math.floor(CALM_LOAD * capacity_rps))
        self.burst_rps = max(2, math.ceil(self.burst_load * capacity_rps))
        whole = int(seconds)
        self.burst_from = max(2, round(CALM_SHARE * whole))
        self.burst_to = self.burst_from + max(4, round(BURST_SHARE_OF_TIME * whole))
        self.end = max(whole, self.burst_to + 1)

    def trace(self):
        """Requests in each second."""
        return [self.burst_rps if self.burst_from <= second < self.burst_to else self.calm_rps for second in range(self.end)]
