#!/usr/bin/env bash
# Builds Steward and runs the demonstration of examples/demo in the foreground. Ctrl-C stops it and all its programs.
#
#   STEWARD_DEMO_PORT      port of the control interface and status page (default 9001)
#   STEWARD_DEMO_WEB_PORT  port of the supervised web application (default 8000)
#   STEWARD_DEMO_DIR       where logs, socket and pid file go (default artifacts/demo)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root="$PWD"

./build.sh

export STEWARD_DEMO_DIR="${STEWARD_DEMO_DIR:-$root/artifacts/demo}"
export STEWARD_DEMO_PORT="${STEWARD_DEMO_PORT:-9001}"
export STEWARD_DEMO_WEB_PORT="${STEWARD_DEMO_WEB_PORT:-8000}"
mkdir -p "$STEWARD_DEMO_DIR/logs"
STEWARD_DEMO_DIR="$(cd "$STEWARD_DEMO_DIR" && pwd)"

command -v python3 >/dev/null 2>&1 || {
    echo "run.sh: the demo's web application needs python3 (Debian: apt-get install python3)" >&2
    exit 1
}
listen="127.0.0.1:$STEWARD_DEMO_WEB_PORT"
if command -v gunicorn >/dev/null 2>&1; then
    server="gunicorn"
    STEWARD_DEMO_WEB="gunicorn --workers 2 --bind $listen --access-logfile - app:application"
elif command -v waitress-serve >/dev/null 2>&1; then
    server="waitress"
    STEWARD_DEMO_WEB="waitress-serve --listen=$listen app:application"
else
    server="python3's own http.server, for want of gunicorn or waitress (Debian: apt-get install gunicorn)"
    STEWARD_DEMO_WEB="python3 app.py $STEWARD_DEMO_WEB_PORT"
fi
export STEWARD_DEMO_WEB

config=examples/demo/supervisord.conf
ctl="artifacts/bin/supervisorctl -c $config"
[ "$STEWARD_DEMO_PORT" = 9001 ] || ctl="$ctl -s http://127.0.0.1:$STEWARD_DEMO_PORT"

cat <<TEXT

  Steward runs $config in the foreground; Ctrl-C stops it.

    status page        http://127.0.0.1:$STEWARD_DEMO_PORT/
    supervised web app http://$listen/   ($server)
    logs               $STEWARD_DEMO_DIR/logs

  In a second terminal, from $root:

    $ctl status
    $ctl tail -f chatty
    $ctl restart pipeline:*
    $ctl                      (interactive; try help)

TEXT
exec artifacts/bin/steward daemon -n -c "$config"
