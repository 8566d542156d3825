#!/usr/bin/env bash
# Everything that can be checked, from a fresh clone: installs what the tests need, builds, runs the unit tests, plays the
# conformance scenarios against the recorded reference and crosswise with Debian's Supervisor, and runs the whole thing
# end to end. The last line is "N passed, N failed"; the exit status is 0 only when nothing failed.
#
#   ./test.sh                    all of it
#   ./test.sh unit conformance   only these parts: unit, conformance, cross, endtoend, bench, chaos
#   CF_SLACK=2                   doubles the time limits of the conformance scenarios (slow machines)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root="$PWD"
exec </dev/null

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(unit conformance cross endtoend bench chaos)
for part in "${parts[@]}"; do
    case "$part" in
        unit | conformance | cross | endtoend | bench | chaos) ;;
        *)
            echo "test.sh: no part is called '$part'; there are: unit conformance cross endtoend bench chaos" >&2
            exit 2
            ;;
    esac
done
wants() {
    local part
    for part in "${parts[@]}"; do [ "$part" = "$1" ] && return 0; done
    return 1
}

passed=0
failed=0
summary=()
began=$SECONDS
work="$(mktemp -d "${TMPDIR:-/tmp}/steward-test.XXXXXX")"
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

heading() { printf '\n== %s (at %d s)\n' "$1" $((SECONDS - began)); }

# count NAME PASSED FAILED [NOTE]
count() {
    passed=$((passed + $2))
    failed=$((failed + $3))
    summary+=("$(printf '%-34s %5d passed %4d failed  %s' "$1" "$2" "$3" "${4:-}")")
}

finish() {
    heading summary
    printf '%s\n' "${summary[@]}"
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit
}

# ---------------------------------------------------------------------------------------------------------- what is needed

missing=()
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need /usr/bin/python3 python3
need gcc gcc
need unshare util-linux
need setpriv util-linux
need mount mount
need ps procps
if wants cross || wants endtoend || wants bench; then
    need /usr/bin/supervisord supervisor
    need /usr/bin/supervisorctl supervisor
fi
if wants endtoend && ! command -v gunicorn >/dev/null 2>&1 && ! command -v waitress-serve >/dev/null 2>&1; then
    missing+=(gunicorn)
fi

install_missing() {
    local list packages as_root=()
    list="$(printf '%s\n' "${missing[@]}" | sort -u)"
    mapfile -t packages <<<"$list"
    echo "test.sh: installing ${packages[*]}"
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "test.sh: these are missing and there is no apt-get to install them: ${packages[*]}" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            echo "test.sh: these are missing and need root to install: sudo apt-get install ${packages[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    # Debian starts a package's service when it is installed. Supervisor is wanted as a program here, not as a service.
    local policy=/usr/sbin/policy-rc.d made_policy=0 ok=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
        made_policy=1
    fi
    "${as_root[@]}" apt-get update -qq >"$work/apt.log" 2>&1 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" \
            >>"$work/apt.log" 2>&1 || ok=$?
    [ "$made_policy" -eq 0 ] || "${as_root[@]}" rm -f "$policy"
    if [ "$ok" -ne 0 ]; then
        cat "$work/apt.log" >&2
        echo "test.sh: apt-get could not install ${packages[*]}; its output stands above" >&2
        return 1
    fi
    case " ${packages[*]} " in
        *" supervisor "*)
            # Nor at the next boot.
            if [ -d /run/systemd/system ]; then "${as_root[@]}" systemctl --quiet disable supervisor.service || true; fi
            ;;
    esac
}
if [ ${#missing[@]} -gt 0 ]; then
    heading "what the tests need"
    if ! install_missing; then
        count "what the tests need" 0 1 "see above"
        finish
    fi
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "test.sh: not root: what runs programs as another user, as PID 1 or on a full disk cannot pass. Run it as root for all of it." >&2
fi

# ------------------------------------------------------------------------------------------------------------------- build

heading build
if ./build.sh; then
    count "build.sh" 1 0
else
    count "build.sh" 0 1
    finish
fi
export STEWARD_BIN="$root/artifacts/bin"

# ------------------------------------------------------------------------------------------------------------ dotnet tests

# dotnet_tests PROJECT SECONDS: one project, counted from its result file. Every failure's whole output is kept.
dotnet_tests() {
    local project="$1" limit="$2" name results log status=0 counts
    name="$(basename "$project" .csproj)"
    results="$work/$name"
    log="$work/$name.log"
    heading "$name"
    timeout --kill-after=20 "$limit" dotnet test "$project" --configuration Release --nologo --verbosity quiet \
        --logger "trx;LogFileName=result.trx" --logger "console;verbosity=minimal" --results-directory "$results" \
        >"$log" 2>&1 || status=$?
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        cat "$log"
        count "$name" 0 1 "not finished after $limit s"
    elif counts="$(/usr/bin/python3 eng/trx.py "$results/result.trx")"; then
        local good bad skipped note=""
        read -r good bad skipped <<<"$counts"
        [ "$skipped" -eq 0 ] || note="$skipped skipped (reasons above)"
        # A failure outside of any test (the host died) must not look like success.
        if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1 note="dotnet test ended with $status"; fi
        if [ "$bad" -eq 0 ] && [ "$good" -eq 0 ]; then bad=1 note="no test was found"; fi
        if [ "$bad" -gt 0 ] || [ "$skipped" -gt 0 ]; then cat "$log"; fi
        count "$name" "$good" "$bad" "$note"
    else
        cat "$log"
        count "$name" 0 1 "no result: dotnet test ended with $status"
    fi
}

if wants unit; then
    for project in tests/*.Tests/*.csproj; do
        case "$project" in
            *EndToEnd*) ;; # its own part, below
            *) dotnet_tests "$project" 420 ;;
        esac
    done
fi

# ------------------------------------------------------------------------------------------------------------- conformance

# Some scenarios run children as another user, who must be able to read what the child runs: play from a place open to all.
export SUBJECT_DAEMON="$STEWARD_BIN/supervisord" SUBJECT_CTL="$STEWARD_BIN/supervisorctl"
export SUBJECT_PIDPROXY="$STEWARD_BIN/pidproxy" SUBJECT_ECHO="$STEWARD_BIN/echo_supervisord_conf"

# scenarios NAME ARGUMENTS...: a skipped scenario did not pass, so it counts as failed.
scenarios() {
    local name="$1" log="$work/$1.log" last good bad skipped=0 note=""
    shift
    heading "$name"
    [ -d "$work/conformance" ] || cp -r tests/conformance "$work/conformance"
    timeout --kill-after=20 900 /usr/bin/python3 "$work/conformance/differential.py" "$@" >"$log" 2>&1 || true
    last="$(tail -n 1 "$log")"
    if [[ "$last" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
        good="${BASH_REMATCH[1]}" bad="${BASH_REMATCH[2]}" skipped="${BASH_REMATCH[4]:-0}"
        [ "$skipped" -eq 0 ] || note="of them $skipped skipped"
        bad=$((bad + skipped))
        if [ "$bad" -gt 0 ]; then cat "$log"; else tail -n 12 "$log"; fi
        count "$name" "$good" "$bad" "$note"
    else
        cat "$log"
        count "$name" 0 1 "did not come to its end"
    fi
}

if wants conformance; then
    scenarios conformance --replay "$root/tests/conformance/reference-4.4.json"
fi
if wants cross; then
    REF_DAEMON=/usr/bin/supervisord REF_CTL=/usr/bin/supervisorctl scenarios crosswise --only ctl
fi

# -------------------------------------------------------------------------------------------------------------- end to end

if wants endtoend; then
    dotnet_tests tests/Steward.EndToEnd.Tests/Steward.EndToEnd.Tests.csproj 900
fi

# ------------------------------------------------------------------------------------------------------------------- bench

if wants bench; then
    # That the benchmark runs, not what it measures: times are recorded by hand, on a quiet machine (docs/performance.md).
    heading "bench --smoke"
    if timeout --kill-after=20 180 /usr/bin/python3 bench/bench.py --smoke >"$work/bench.log" 2>&1; then
        count "bench --smoke" 1 0
    else
        cat "$work/bench.log"
        count "bench --smoke" 0 1
    fi
fi

# ------------------------------------------------------------------------------------------------------------------- chaos

if wants chaos; then
    # A minute of what eng/chaos.sh plays for hours (docs/reliability.md): each kind of fault once at least. The seed is in the log.
    heading "chaos"
    if timeout --kill-after=30 400 eng/chaos.sh --seconds 60 --programs 60 >"$work/chaos.log" 2>&1; then
        grep -E '^seed [0-9]+:|played by kind|^not played' "$work/chaos.log" || true
        count "chaos" 1 0
    else
        cat "$work/chaos.log"
        count "chaos" 0 1 "$(grep -o 'seed [0-9]*' "$work/chaos.log" | head -n 1 || true)"
    fi
fi

finish
