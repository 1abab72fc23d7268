#!/bin/bash
# Processes the changes in `feed`, one a line, and keeps in `checkpoint` how many are done.
set -eu

mapfile -t changes <feed
position=$(cat checkpoint 2>/dev/null || echo 0)
stop=
trap 'stop=yes' TERM INT

keep() {
    echo "$position" >checkpoint.new
    mv checkpoint.new checkpoint
}
trap keep EXIT

process() {
    if [ "$1" = "${FAILS_ONCE:-}" ] && [ "${SHUTDOWN_ATTEMPT:-1}" = 1 ]; then
        echo "no answer about $1"
        return 1
    fi
    echo "$1" >>done
}

echo "going on after $position"
for ((; position < ${#changes[@]}; position++)); do
    sleep "${PAUSE:-0.1}" || true # Ctrl+C ends it as well
    if [ -n "$stop" ]; then
        echo "stopped after $position"
        exit
    fi
    process "${changes[position]}"
done
echo "all $position done"
