#!/usr/bin/env bash
# Random faults under a real daemon with real programs, and an account of everything: docs/reliability.md, "Chaos".
#
#   eng/chaos.sh --minutes N [--programs 200] [--seed N] [--keep] [--json FILE] [--only KINDS] [--without KINDS]
#
# Where it is allowed everything happens in a mount namespace of its own, so that the small disk is gone with the last process
# even when this script is killed.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
if [ -z "${STEWARD_CHAOS_APART:-}" ] && unshare --mount true 2>/dev/null; then
    STEWARD_CHAOS_APART=1 exec unshare --mount --propagation private "${BASH_SOURCE[0]}" "$@"
fi
folder="$(mktemp -d "${TMPDIR:-/tmp}/steward-chaos.XXXXXX")"

# chaos.py cleans up after itself; this is for the case that it was killed.
clean() {
    /usr/bin/python3 "$root/tests/chaos/chaos.py" --sweep "$folder"
    if mountpoint -q "$folder/small"; then umount "$folder/small" || umount -l "$folder/small"; fi
    case " $* " in
        *" --keep "*) ;;
        *) rm -rf "$folder" ;;
    esac
}
trap 'clean "$@"' EXIT
status=0
/usr/bin/python3 "$root/tests/chaos/chaos.py" --folder "$folder" "$@" || status=$?
exit "$status"
