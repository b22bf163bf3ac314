# shellcheck shell=bash
# shellcheck disable=SC2034  # the package lists are used by name
# What ./bench/demo, ./bench/run and ./tests/run share: packages and the build. Sourced, never run.
# Everything here is idempotent, asks nothing, and is quick and nearly silent the second time.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian's names. Where releases differ, `a|b`: the first that a release has is taken.
# LibTorch without an OpenBLAS falls back to the reference BLAS, 40 times slower.
packages_libraries=(
  'libboost1.81-dev|libboost1.83-dev' libssl-dev libyaml-cpp-dev libcli11-dev prometheus-cpp-dev
  libcurl4-openssl-dev zlib1g-dev libbz2-dev libhowardhinnant-date-dev libcjose-dev
  libgrpc++-dev libprotobuf-dev
  libtorch-dev libdnnl-dev libopenblas0-pthread libopencv-dev 'libjpeg62-turbo-dev|libjpeg-turbo8-dev'
  catch2 # the build tree has the unit tests in it, whoever configures it first
)
packages_build=(g++ cmake ninja-build pkg-config ccache ca-certificates protobuf-compiler "${packages_libraries[@]}")
packages_arm64=(g++-aarch64-linux-gnu qemu-user) # compiles for it, and runs what was compiled
# The demo generates its pictures and draws its plot with these.
packages_demo=(python3 python3-numpy python3-opencv python3-matplotlib python3-yaml python3-jinja2 curl)
packages_test=(
  python3-pytest python3-pytest-xdist python3-cryptography python3-requests python3-aiohttp python3-torch python3-torchvision python3-pil
  python3-yaml python3-jsonschema python3-prometheus-client openssl git prometheus faketime python3-pip python3-venv chromium lua5.1 help2man dpkg-dev
  clang-format shellcheck flake8
)
# What the worker's arithmetic is compared with; the other runtimes are the Python package index's.
packages_peers=(python3-torch python3-torchvision python3-venv)
# What the dispatcher is compared with. Debian starts nginx as a service on port 80 when it installs it.
packages_proxies=(haproxy nginx-light python3-aiohttp)
# Measures and keeps the series of a comparison on a cluster of yours.
packages_prometheus=(prometheus)
packages_chroot=(debootstrap git util-linux) # for tests/debian
packages_release=(help2man dpkg-dev) # pages for man, and the libraries that a package depends on
packages_clang=(clang)
packages_clang_tidy=(clang clang-tidy)
packages_coverage=(gcovr)
packages_fuzz=(clang libclang-rt-dev) # the second has libFuzzer and the sanitizers' own code
# A real Kubernetes node on this machine; its own binaries are built with go (see tests/cluster).
packages_cluster=(
  containerd runc containernetworking-plugins buildah debootstrap busybox-static nftables
  iproute2 util-linux binutils openssl curl prometheus
)
# On a cluster of yours: helm and kubectl, and for some tests an API server that may be stopped, are built with go.
packages_clients=(openssl)
# Any Go fetches the version that is needed; one of the user's own is used as it is.
command -v go >/dev/null || { packages_cluster+=(golang-go); packages_clients+=(golang-go); packages_test+=(golang-go); }

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The Python that Debian's packages belong to; a pyenv or conda python3 on PATH does not see them.
export EI_PYTHON=${EI_PYTHON:-/usr/bin/python3}
# bench and tests are its packages, whatever the folder that a script is called from.
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

installed() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c1-2)" = ii ]; }
# A name that another package only refers to is known to apt as well, but has no candidate.
packaged() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'; }

# missing_packages NAME…: those of which no alternative is installed.
missing_packages() {
  local entry name
  for entry in "$@"; do
    for name in ${entry//|/ }; do
      ! installed "$name" || continue 2
    done
    printf '%s\n' "$entry"
  done
}

# choose_packages NAME…: of each the first alternative that this release has, or the entry itself where it has none.
choose_packages() {
  local entry name
  for entry in "$@"; do
    for name in ${entry//|/ }; do
      ! packaged "$name" || { printf '%s\n' "$name"; continue 2; }
    done
    printf '%s\n' "$entry"
  done
}

# setup_packages GROUP…: installs what is missing of packages_GROUP, or says exactly what is missing and stops.
setup_packages() {
  local group names=() missing chosen unknown=() log package
  for group in "$@"; do
    local -n list="packages_$group"
    names+=("${list[@]}")
  done
  command -v dpkg-query >/dev/null || die "this is not Debian or Ubuntu (no dpkg). Install the equivalents of these by hand, then build with 'cmake --preset release': ${names[*]}"
  mapfile -t missing < <(missing_packages "${names[@]}")
  [ ${#missing[@]} -eq 0 ] && return 0
  [ "$(id -u)" -eq 0 ] || die "these packages are missing and installing them takes root: ${missing[*]}
  run: sudo apt-get install --no-install-recommends $(choose_packages "${missing[@]}" | tr '\n' ' ')"
  log=$(mktemp "${TMPDIR:-/tmp}/elastic-inference-apt.XXXXXX")
  say "installing ${#missing[@]} packages (log: $log)"
  apt-get update -q >"$log" 2>&1 || die "apt-get update failed: $(tail -n 3 "$log")"
  mapfile -t chosen < <(choose_packages "${missing[@]}")
  for package in "${chosen[@]}"; do
    packaged "$package" || unknown+=("$package")
  done
  [ ${#unknown[@]} -eq 0 ] || die "this distribution does not package: ${unknown[*]} (Debian 12 and 13 do)"
  # A container's first apt run may race with the image's own; five minutes is apt's patience with the lock.
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
    "${chosen[@]}" >>"$log" 2>&1 || die "apt-get install failed: $(tail -n 5 "$log")"
  rm -f "$log"
}

# setup_sysroot: makes the folder $EI_SYSROOT with the arm64 packages of packages_libraries, once for each list of them.
setup_sysroot() {
  local entry name list log lock
  local names=(libc6-dev "libstdc++-$(g++ -dumpversion)-dev") # the compiler's own lack these
  for entry in "${packages_libraries[@]}"; do
    for name in ${entry//|/ }; do
      ! installed "$name" || { names+=("$name"); break; }
    done
  done
  export EI_SYSROOT=${XDG_CACHE_HOME:-$HOME/.cache}/elastic-inference/sysroots/arm64
  list=${names[*]} log=$EI_SYSROOT.log
  mkdir -p "${EI_SYSROOT%/*}"
  exec {lock}>"$EI_SYSROOT.lock"
  flock "$lock"
  if [ "$list" != "$(cat "$EI_SYSROOT/made" 2>/dev/null)" ]; then
    say "unpacking Debian's arm64 libraries (log: $log)"
    rm -rf "$EI_SYSROOT" "$EI_SYSROOT.apt"
    "$root/.ci/arm64/sysroot" "$EI_SYSROOT" "${names[@]}" >"$log" 2>&1 || die "the arm64 libraries cannot be had: $(tail -n 5 "$log")"
    printf '%s\n' "$list" >"$EI_SYSROOT/made"
  fi
  exec {lock}>&-
}

# A LibTorch translation unit takes 1.5 GB to compile: as many jobs as both cores and memory carry.
build_jobs() {
  local cores memory_jobs
  cores=$(nproc)
  memory_jobs=$(awk '/MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
  [ "$memory_jobs" -ge 1 ] || memory_jobs=1
  echo $((cores < memory_jobs ? cores : memory_jobs))
}

# setup_build [PRESET [TARGET…]]: configures and builds; prints the log's end only when it fails.
setup_build() {
  local preset=${1:-release} log lock
  [ $# -gt 0 ] && shift
  log=$root/build/$preset.log
  mkdir -p "$root/build"
  # Two scripts at once build one after the other: ninja does not guard its folder.
  exec {lock}>"$root/build/$preset.lock"
  flock "$lock"
  build_locked "$preset" "$log" "$@"
  exec {lock}>&-
}

build_locked() { # PRESET LOG TARGET…
  local preset=$1 log=$2 tests=ON
  shift 2
  # Programs alone need no test packages. Once configured with tests, it stays so.
  case " $* " in "  " | *" unit_tests "* | *" pure_tests "* | *" ei_test_main "*) ;; *) tests=OFF ;; esac
  # The probes are among the tests.
  case " $* " in *_probe\ *) tests=ON ;; esac
  if [ ! -f "$root/build/$preset/build.ninja" ] ||
    { [ $tests = ON ] && grep -q '^EI_BUILD_TESTS:BOOL=OFF' "$root/build/$preset/CMakeCache.txt"; }; then
    say "configuring ($preset)"
    (cd "$root" && cmake --preset "$preset" -DEI_BUILD_TESTS=$tests) >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "cmake failed (whole log: $log)"; }
  fi
  if ninja -C "$root/build/$preset" -n "$@" 2>/dev/null | tail -n 1 | grep -q 'no work to do'; then return 0; fi
  say "building ($preset; the first time takes some minutes)"
  if [ -t 2 ]; then
    # On a terminal ninja's own status line is the progress.
    ninja -C "$root/build/$preset" -j "$(build_jobs)" "$@" >&2 || die "the build failed"
  else
    ninja -C "$root/build/$preset" -j "$(build_jobs)" "$@" >"$log" 2>&1 || { tail -n 60 "$log" >&2; die "the build failed (whole log: $log)"; }
  fi
}
