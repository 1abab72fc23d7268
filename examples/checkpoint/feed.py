#!/usr/bin/env python3
"""Processes the changes in `feed`, one a line, and keeps in `checkpoint` how many are done."""
import os
import signal
from pathlib import Path

STOP = {signal.SIGTERM, signal.SIGINT}
CHECKPOINT = Path("checkpoint")


def keep(position):
    new = Path("checkpoint.new")
    new.write_text(f"{position}\n")
    new.replace(CHECKPOINT)


def process(change):
    if change == os.environ.get("FAILS_ONCE") and os.environ.get("SHUTDOWN_ATTEMPT", "1") == "1":
        raise SystemExit(f"no answer about {change}")
    with open("done", "a") as done:
        print(change, file=done)


# From here on a signal waits until it is asked for: none comes in the middle of a change.
signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
changes = Path("feed").read_text().splitlines()
position = int(CHECKPOINT.read_text()) if CHECKPOINT.exists() else 0
print("going on after", position, flush=True)
try:
    while position < len(changes):
        if signal.sigtimedwait(STOP, float(os.environ.get("PAUSE", "0.1"))):
            print("stopped after", position)
            break
        process(changes[position])
        position += 1
    else:
        print("all", position, "done")
finally:
    keep(position)
