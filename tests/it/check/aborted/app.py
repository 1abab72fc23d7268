"""Applications that take 3 s for /slow, and for /work, which uses the CPU half of the time."""

import asyncio
import time


def work(path, is_wanted=lambda: True):
    end = time.monotonic() + 3
    while time.monotonic() < end and is_wanted():
        until = time.monotonic() + (0.02 if path == "/work" else 0)
        while time.monotonic() < until:
            pass
        time.sleep(0.02)


def wsgi(env, start):
    if env["PATH_INFO"] != "/":
        work(env["PATH_INFO"])
    start("200 OK", [("Content-Length", "0")])
    return []


async def answer(send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        if scope["path"] != "/":
            await asyncio.get_running_loop().run_in_executor(None, work, scope["path"])
        await answer(send)


async def listening(scope, receive, send):
    """Gives up when its client has gone."""
    if scope["type"] != "http":
        return
    gone = []

    async def watch():
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.append(1)

    if scope["path"] != "/":
        watching = asyncio.ensure_future(watch())
        await asyncio.get_running_loop().run_in_executor(None, work, scope["path"], lambda: not gone)
        watching.cancel()
    await answer(send)
