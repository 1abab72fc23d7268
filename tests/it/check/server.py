"""A server that stops well, or badly: server.py MODE."""

import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

mode = sys.argv[1]
if mode == "needs-stdin":
    # First of all: what is opened next would be descriptor 0.
    os.fstat(0)


active = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        active.append(self)
        try:
            self.answer()
        finally:
            active.remove(self)

    def answer(self):
        if self.path in ("/slow", "/report"):
            if not self.works_for(1):
                return
        if self.path == "/work":
            for _ in range(50):
                burn_until = time.monotonic() + 0.025
                while time.monotonic() < burn_until:
                    pass
                if not self.works_for(0.025):
                    return
        if self.path == "/stream":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while not (mode in ("ends-streams", "drains") and stopped):
                self.wfile.write(b"3\r\nhi\n\r\n")
                time.sleep(0.05)
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"hi\n")

    def works_for(self, seconds):
        """Whether the client is still there; only one mode looks."""
        if mode != "drains":
            time.sleep(seconds)
            return True
        if not select.select([self.connection], [], [], seconds)[0]:
            return True
        try:
            self.connection.recv(1)
            print("the client has hung up: FIN", flush=True)
        except ConnectionResetError:
            print("the client has hung up: RST", flush=True)
        self.close_connection = True
        return False

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = mode not in ("graceful", "ends-streams")
    address_family = socket.AF_INET6 if mode == "six" else socket.AF_INET

    def server_bind(self):
        if mode == "shares":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if mode == "six":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


if mode == "daemonizes" and os.fork():
    time.sleep(0.2)
    os._exit(0)
host = "::1" if mode == "six" else "127.0.0.1"
server = Server((host, int(os.environ.get("PORT", "0"))), Handler)


def share_memory():
    """As shm_open and mmap do: nobody has the file open, though it is in use."""
    with open(sys.argv[2], "w+b") as file:
        file.truncate(4096)
        return mmap.mmap(file.fileno(), 4096)


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


def say(text):
    address = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text, address)


def stop(*_):
    stopped.append(1)
    if mode == "exits-at-once":
        os._exit(0)
    elif mode == "prints":
        print("stopping", flush=True)
    elif mode == "notifies":
        say(b"STOPPING=1\nSTATUS=bye\nEXTEND_TIMEOUT_USEC=70000000")
    threading.Thread(target=server.shutdown).start()
    if mode == "second":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def spawn(command, **more):
    return subprocess.Popen(command, start_new_session=True, **more)


stopped = []
continued = []
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
elif mode == "leaves-memory":
    memory = share_memory()
elif mode == "ends-with-stdin":
    threading.Thread(target=end_with_stdin, daemon=True).start()
elif mode == "no-int":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
elif mode == "aborts-int":
    signal.signal(signal.SIGINT, lambda *_: os.abort())
elif mode in ("pid-file", "once"):
    if os.path.exists("server.pid"):
        sys.exit("server.pid is there: is it running already?")
    open("server.pid", "w").write(f"{os.getpid()}\n")
elif mode in ("has-child", "needs-child"):
    child_was_gone = False
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stop_alone = stop

    def stop(*_):
        global child_was_gone
        time.sleep(0.1)
        child_was_gone = child.poll() is not None
        if not child_was_gone:
            child.terminate()
            child.wait()
        stop_alone()

    signal.signal(signal.SIGTERM, stop)
elif mode == "needs-file":
    open("database", "w").close()
elif mode == "was-stopped":
    signal.signal(signal.SIGCONT, lambda *_: continued.append(1))
elif mode in ("zombies", "more-zombies"):
    os.spawnlp(os.P_NOWAIT, "true", "true")
    while mode == "more-zombies" and not os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT):
        pass
elif mode == "wants-no-terminal" and os.isatty(0):
    time.sleep(60)
elif mode == "notifies":
    say(b"READY=1")
if mode == "more-zombies":
    server.service_actions = lambda: os.spawnlp(os.P_NOWAIT, "true", "true")
server.serve_forever(poll_interval=0.02)
if mode == "accepts":
    # Taken by the kernel's queue until the end, and never answered.
    time.sleep(1)
    os._exit(0)
server.server_close()
if mode == "drains":
    while active:
        time.sleep(0.01)
elif mode == "needs-child" and child_was_gone:
    time.sleep(60)
elif mode == "needs-file" and not os.path.exists("database"):
    time.sleep(60)
elif mode == "was-stopped" and continued:
    time.sleep(60)
elif mode == "pid-file":
    os.remove("server.pid")
elif mode == "second":
    time.sleep(0.3)
elif mode == "slow":
    time.sleep(float(sys.argv[2]))
elif mode == "exits":
    sys.exit(int(sys.argv[2]))
elif mode == "aborts":
    os.abort()
elif mode == "traceback":
    raise RuntimeError("boom")
elif mode == "leaves-memory-late":
    memory = share_memory()
    time.sleep(0.5)
    memory.close()
elif mode == "panics-and-logs":
    print("thread 'main' panicked at src/main.rs:4711")
    for at in range(40_000):
        print("one of very many lines, of some fifty bytes each", at)
elif mode == "panics-in-a-long-line":
    print("x" * 20_000, "panic: boom", "x" * 20_000)
