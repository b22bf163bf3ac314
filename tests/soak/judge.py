"""Whether a process stays as it is: pure, over samples taken while it was at rest."""
import statistics

# The first quarter is warm-up: caches fill, the allocator learns what is needed at once, every code path is paged in.
WARM_UP_SHARE = 0.25
# Fewer samples after that say nothing of a trend.
LEAST_SAMPLES = 6
# The C library keeps freed memory in pieces: between two times of rest it gives back more or less. A leak of 1 kB a request
# passes this within minutes at the rates of the soak.
MEMORY_SHARE, MEMORY_MIB = 0.05, 4
# Connections that the kernel, a probe or a scrape is just opening.
DESCRIPTORS = 3


def verdict(samples):
    """samples: of one process, in order, each {"rss_mib", "descriptors", "threads"}. What it says: a dict with the medians of
    the first and the last third after warm-up, and "faults", words for each that is not flat; None when there are too few."""
    after = samples[int(len(samples) * WARM_UP_SHARE):]
    if len(after) < LEAST_SAMPLES:
        return None
    third = max(2, len(after) // 3)
    first, last = after[:third], after[-third:]

    def medians(name):
        return statistics.median(each[name] for each in first), statistics.median(each[name] for each in last)
    figures = {name: medians(name) for name in ("rss_mib", "descriptors", "threads")}
    faults = []
    before, now = figures["rss_mib"]
    if now > before + max(MEMORY_MIB, MEMORY_SHARE * before):
        faults.append(f"memory grew from {before:.1f} to {now:.1f} MiB; allowed: {MEMORY_SHARE:.0%} or {MEMORY_MIB} MiB")
    before, now = figures["descriptors"]
    if now > before + DESCRIPTORS:
        faults.append(f"descriptors grew from {before:g} to {now:g}; allowed: {DESCRIPTORS} more")
    before, now = figures["threads"]
    if now > before:
        faults.append(f"threads grew from {before:g} to {now:g}")
    return {"samples": len(samples), **figures, "faults": faults}
