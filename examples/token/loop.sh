#!/usr/bin/env bash
# Works piece by piece until a stop is requested, and never stops in the middle of one:
#     winddown --token /tmp/stop -- examples/token/loop.sh
trap '' TERM # The token announces the stop.
pieces=0
while [ ! -e "$SHUTDOWN_TOKEN" ]; do
    sleep 0.1 # One piece of work.
    pieces=$((pieces + 1))
done
echo "done $pieces pieces, stopped by $(sed -n 's/^reason=//p' "$SHUTDOWN_TOKEN")"
