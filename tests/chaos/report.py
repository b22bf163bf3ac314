"""What a long run says of itself, as one page that can be checked in."""
import datetime
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent

# What each phase does, for who reads the page alone.
PHASES = {
    "calm": "nothing goes wrong, to compare with",
    "workers_die": "a worker is killed (SIGKILL) every few seconds",
    "dispatcher_restarts": "the dispatcher is replaced, then killed",
    "overload": "ten times the capacity is asked",
    "slow_clients": "clients trickle their requests beside honest ones",
    "hostile_pictures": "pictures that cost the most, among good ones",
    "memory_runs_out": "a worker may allocate no more",
    "disk_fills": "the disk of logs and status is full",
    "clock_jumps": "the wall clock jumps a day ahead and two back",
}


def cpu_model():
    """As /proc/cpuinfo names it: figures say little without."""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.split(":", 1)[1].split())
    return os.uname().machine


def machine():
    return f"{len(os.sched_getaffinity(0))} cores ({cpu_model()})"


def commit():
    """The commit, marked where the tree is not as it was committed."""
    def git(*command):
        return subprocess.run(["git", "-C", str(HERE), *command], capture_output=True, text=True).stdout.strip()
    return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain", "--untracked-files=no") else "")


def provenance(minutes, seed, command):
    return f"{minutes:.1f} minutes on {datetime.date.today()}, {machine()}, commit {commit()}, seed {seed}: `{command}`."


def chaos_page(results, goals, opening, seconds, slow_clients):
    """results: phase -> {"seconds", "fault", "figures"}; goals: as chaos.goals gives them."""
    lines = ["# Chaos", "", opening, "",
             f"One operator (`--local`), one dispatcher, two real workers, an open-loop load; each fault for {seconds} s, {slow_clients:,} slow "
             "clients. Overload and slow clients have a worker fewer than there are cores: clients and dispatcher have the last one. "
             "Every answer was compared with the one that the picture must get. What each phase promises: "
             "[security](security.md#how-it-is-tested).", "",
             "| phase | what goes wrong | requests | right answers | p99 | errors, each honest | promise |", "|---|---|---|---|---|---|---|"]
    for name, result in results.items():
        figures = result["figures"]
        if name not in PHASES:
            continue
        errors = ", ".join(f"{count} {fault}" for fault, count in sorted(figures.get("faults", {}).items())) or "none"
        p99 = f"{figures['p99_ms']:.0f} ms" if figures.get("p99_ms") is not None else "–"
        verdict = f"**broken**: {one_line(result['fault'])}" if result["fault"] else "kept"
        lines.append(f"| {name.replace('_', ' ')} | {PHASES[name]} | {figures.get('requests', '–')} | {figures.get('ok', '–')} | {p99} | "
                     f"{errors if 'requests' in figures else '–'} | {verdict} |")
    lines += ["", "Figures that depend on the machine, and what else it does; they fail nothing:", "",
              "| figure | measured | goal | met |", "|---|---|---|---|"]
    lines += [f"| {goal['phase'].replace('_', ' ')}: {goal['figure'].replace('_', ' ')} | {goal['value']} | {goal['goal']} | "
              f"{'yes' if goal['met'] else 'no'} |" for goal in goals]
    return "\n".join([*lines, ""])


def one_line(text):
    return " ".join(str(text).split()).replace("|", "/")[:200]
