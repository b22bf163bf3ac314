"""Prints how long each room took to compile in a build folder, the slowest files beside it, so that a costly header is seen.

    python3 -m tests.compile_time BUILD

The times are ninja's own (wall clock, several files side by side). A file that the compiler cache had costs nearly
nothing, so only the figures of a build without a cache tell about headers."""
import collections
import pathlib
import re
import sys

# One column of figures that fits a terminal's height.
ROOMS, FILES = 15, 5
OBJECT = re.compile(r"^(?P<folder>.*?)/?CMakeFiles/(?P<target>[^/]+)\.dir/(?P<file>.+)\.(o|gch)$")


def main(build):
    log = pathlib.Path(build) / ".ninja_log"
    if not log.is_file():
        print(f"error: {log} does not exist; build first", file=sys.stderr)
        return 1
    seconds = {}
    for line in log.read_text().splitlines()[1:]:
        begin, end, _, output, _ = line.split("\t")
        found = OBJECT.match(output)
        if found:
            # The last line about an output is its last compilation.
            seconds[f"{found['folder'] or found['target']}/{found['file']}"] = (int(end) - int(begin)) / 1000
    rooms = collections.Counter()
    files = collections.Counter()
    for name, took in seconds.items():
        rooms[str(pathlib.PurePosixPath(name).parent)] += took
        files[str(pathlib.PurePosixPath(name).parent)] += 1
    print(f"compiled: {len(seconds)} files, {sum(seconds.values()):.0f} s added up")
    for room, took in rooms.most_common(ROOMS):
        print(f"  {took:7.1f} s  {took / files[room]:5.1f} s a file  {room}")
    slowest = sorted(seconds, key=seconds.get, reverse=True)[:FILES]
    print("  slowest: " + ", ".join(f"{name} {seconds[name]:.1f} s" for name in slowest))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
