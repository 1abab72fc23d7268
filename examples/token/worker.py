#!/usr/bin/env python3
"""Waits for work and for the stop at the same time:
    winddown --token /tmp/stop -- examples/token/worker.py
"""

import os
import select
import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)  # The token announces the stop.
stop = int(os.environ["SHUTDOWN_FD"])
# Its other work: here a pipe that is never written to.
work, _writer = os.pipe()

print("ready", flush=True)
while True:
    readable, _, _ = select.select([work, stop], [], [])
    if stop in readable:
        break

while not os.path.exists(os.environ["SHUTDOWN_TOKEN"]):
    time.sleep(0.01)  # The file comes a moment after the descriptor.
with open(os.environ["SHUTDOWN_TOKEN"]) as token:
    told = dict(line.rstrip("\n").split("=", 1) for line in token)
if told["deadline_monotonic_ms"] == "infinity":
    print("no hurry")
else:
    left = int(told["deadline_monotonic_ms"]) / 1000 - time.monotonic()
    print(f"{left:.1f} s left")
