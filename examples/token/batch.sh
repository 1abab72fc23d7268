#!/usr/bin/env bash
# A batch job that continues where it stopped: when a stop is requested, it asks for the time that a
# checkpoint takes, and writes one:
#     winddown -t 10s --extend-max 5m --token /tmp/stop -- examples/token/batch.sh checkpoint 1000
set -eu
checkpoint=$1
pieces=$2
trap '' TERM # The token announces the stop.

done_before=0
if [ -e "$checkpoint" ]; then
    done_before=$(cat "$checkpoint")
    echo "going on after $done_before"
fi
for ((piece = done_before + 1; piece <= pieces; piece++)); do
    sleep 0.05 # One piece of work.
    if [ -e "$SHUTDOWN_TOKEN" ]; then
        echo "$(winddown token | tr -d '\n') left"
        winddown token --extend 30s || echo "it has to be done by then"
        sleep 0.5 # The checkpoint is large.
        echo "$piece" >"$checkpoint.new"
        mv "$checkpoint.new" "$checkpoint"
        echo "left after $piece"
        exit 75 # EX_TEMPFAIL of sysexits.h: try again later.
    fi
done
rm -f "$checkpoint"
echo "all $pieces done"
