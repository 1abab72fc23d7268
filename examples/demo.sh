#!/bin/sh
# Shows winddown at work in about six seconds: silence, a stop in time, a limit that expires.
# Needs cargo and a POSIX shell; returns 0 when each run ended as it should.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet
winddown=${CARGO_TARGET_DIR:-target}/debug/winddown

run() {
    printf '\n$ winddown'
    printf " %s" "$@"
    printf '\n'
}

ended() {
    printf '=> exit status %s\n' "$1"
    [ "$1" -eq "$2" ] || { echo "demo: $2 was expected" >&2; exit 1; }
}

echo '1. All is well: nothing is said, and the status is that of the command.'
run 'sh -c "exit 3"'
status=0
"$winddown" sh -c 'exit 3' || status=$?
ended "$status" 3

printf '\n2. A stop in time: on SIGTERM this server needs a moment for its last request.\n'
run '-t 5s -- ./server'
"$winddown" -t 5s -- sh -c '
    trap "echo \"server: finishing the last request\"; sleep 0.8; echo \"server: done\"; exit 0" TERM
    while :; do sleep 0.1; done' &
sleep 0.5
kill -TERM $!
status=0
wait $! || status=$?
ended "$status" 0

printf '\n3. A limit that expires: this one ignores SIGTERM, and has a daemon in a session of its own.\n'
run '-t 2s -- ./stubborn'
"$winddown" -t 2s -- sh -c 'trap "" TERM; setsid sleep 4242 & exec sleep 4243' &
sleep 0.5
kill -TERM $!
status=0
wait $! || status=$?
ended "$status" 137
if ps -e -o args 2>/dev/null | grep -q '^sleep 424[23]$'; then
    echo 'demo: something is left' >&2
    exit 1
fi
echo 'Nothing is left of it.'
