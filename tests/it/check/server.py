"""A server that stops well, or badly: server.py MODE."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

mode = sys.argv[1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"hi\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = mode not in ("graceful", "joins")


server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)


def stop(*_):
    threading.Thread(target=server.shutdown).start()


def spawn(command, **more):
    return subprocess.Popen(command, start_new_session=True, **more)


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
if mode == "ignores":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif mode == "no-handler":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
elif mode == "blocks":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
elif mode == "leaves-child":
    spawn(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
elif mode == "leaves-output":
    spawn(["sh", "-c", "trap '' TERM; sleep 60"])
elif mode == "leaves-port":
    os.set_inheritable(server.fileno(), True)
    spawn(["sh", "-c", "trap '' TERM; sleep 60"], close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
elif mode == "leaves-files":
    open("server.pid", "w").write(f"{os.getpid()}\n")
    left = socket.socket(socket.AF_UNIX)
    left.bind("server.sock")
    left.listen()
elif mode == "zombies":
    os.spawnlp(os.P_NOWAIT, "true", "true")
server.serve_forever(poll_interval=0.02)
if mode == "accepts":
    # Taken by the kernel's queue until the end, and never answered.
    time.sleep(1)
    os._exit(0)
server.server_close()
if mode == "slow":
    time.sleep(float(sys.argv[2]))
elif mode == "exits":
    sys.exit(int(sys.argv[2]))
elif mode == "aborts":
    os.abort()
elif mode == "traceback":
    raise RuntimeError("boom")
