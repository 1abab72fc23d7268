"""A task queue with pre-forked workers: python3 workers.py RELEASE

As in Celery, the master alone is to be asked: on SIGTERM it takes no more tasks and waits for its
workers, and a worker that is asked itself gives up its task. A task is done once RELEASE exists.
"""

import os
import signal
import sys
import time

release = sys.argv[1]
stopping = False


def work(number, tasks):
    def give_up(*_):
        os.write(1, b"lost task of worker %d\n" % number)
        os._exit(1)

    signal.signal(signal.SIGTERM, give_up)
    while task := os.read(tasks, 1):
        os.write(1, b"worker %d begins task %s\n" % (number, task))
        while not os.path.exists(release):
            time.sleep(0.005)
        os.write(1, b"worker %d has done task %s\n" % (number, task))
    os._exit(0)


def stop(*_):
    global stopping
    stopping = True
    os.write(1, b"stopping\n")


queues = []
for number in (1, 2):
    tasks, queue = os.pipe()
    if os.fork() == 0:
        for other in queues + [queue]:
            os.close(other)
        work(number, tasks)
    os.close(tasks)
    queues.append(queue)

signal.signal(signal.SIGTERM, stop)
for queue, task in zip(queues, (b"a", b"b")):
    os.write(queue, task)
while not stopping:
    time.sleep(0.005)
# The end of its queue tells a worker to leave after its task.
for queue in queues:
    os.close(queue)
statuses = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in queues]
sys.exit(5 if statuses == [0, 0] else 1)
