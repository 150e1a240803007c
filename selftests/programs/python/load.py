# SPDX-License-Identifier: BSD-2-Clause
"""
Many clients of an echo server, all of asyncio, and how many requests per second they
make. The server is a process of its own.
"""

import asyncio
import multiprocessing
import os
import random
import selectors
import time
import unittest

CLIENTS = 100
REQUESTS = 20       # of each client
DEVICES = {"KqueueSelector": "/dev/kevent", "EpollSelector": "anon_inode:[eventpoll]"}


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def serve(ready, stop):
    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=CLIENTS)
    ready.send(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(stop.recv)
    selector = asyncio.get_running_loop()._selector
    stop.send(os.readlink(f"/proc/self/fd/{selector.fileno()}"))
    server.close()


def run_server(pipe):
    asyncio.run(serve(pipe, pipe))


async def client(port, seed):
    """Return how many answers were right."""
    dice = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    right = 0
    for _ in range(REQUESTS):
        request = dice.randbytes(dice.choice([1, 100, 10_000]))
        writer.write(request)
        right += await reader.readexactly(len(request)) == request
    writer.close()
    await writer.wait_closed()
    return right


async def clients(port):
    start = time.monotonic()
    right = sum(await asyncio.gather(*(client(port, i) for i in range(CLIENTS))))
    return right, time.monotonic() - start


class Load(unittest.TestCase):
    def test_echo(self):
        """All answers are right, and the server has waited with what it should."""
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(
            target=run_server, args=(theirs,))
        server.start()
        self.addCleanup(server.join)
        right, seconds = asyncio.run(clients(ours.recv()))
        ours.send("stop")
        self.assertEqual(ours.recv(), DEVICES[selectors.DefaultSelector.__name__])
        self.assertEqual(right, CLIENTS * REQUESTS)
        print(f"# load: {right / seconds:.1f} requests/s", flush=True)
