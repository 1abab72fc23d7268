#!/bin/sh
# Shows winddown at work in about five seconds: silence, a stop in time, a limit that expires.
# Needs cargo and a POSIX shell; the first build takes a minute or two. Exits with 0 if each run ended as expected.
set -eu
cd "$(dirname "$0")/.."
cargo build # shows its progress on stderr
target=${CARGO_TARGET_DIR:-target}
PATH=$(cd "$target/debug" && pwd):$PATH
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

# A server that finishes its last request on SIGTERM.
cat >server <<'END'
#!/bin/sh
trap 'echo "server: finishing the last request"; sleep 0.8; echo "server: done"; exit 0' TERM
while :; do sleep 0.1; done
END

# A program that ignores SIGTERM, with a daemon in a session of its own.
cat >stubborn <<'END'
#!/bin/sh
trap '' TERM
setsid sleep 4242 &
exec sleep 4243
END
chmod +x server stubborn

# ended STATUS EXPECTED
ended() {
    echo "=> exit status $1"
    if [ "$1" -ne "$2" ]; then
        echo "demo: expected $2" >&2
        exit 1
    fi
}

# Runs winddown with these arguments, and asks it to stop.
stop() {
    echo "\$ winddown $*"
    winddown "$@" &
    sleep 0.5
    kill -TERM $!
    status=0
    wait $! || status=$?
}

echo '1. All is well: nothing is said, and the status is that of the command.'
echo
echo '$ winddown sh -c "exit 3"'
status=0
winddown sh -c 'exit 3' || status=$?
ended "$status" 3

echo
echo '2. A stop in time: on SIGTERM this server finishes its last request.'
echo
stop -t 5s -- ./server
ended "$status" 0

echo
echo '3. A limit that expires: this one ignores SIGTERM, and has a daemon in a session of its own.'
echo
stop -t 2s -- ./stubborn
ended "$status" 137
if ps -e -o args 2>/dev/null | grep -q '^sleep 424[23]$'; then
    echo 'demo: something is left' >&2
    exit 1
fi
echo 'Nothing is left of it.'
