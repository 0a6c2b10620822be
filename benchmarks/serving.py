"""Load on `touchstone serve`: busy clients, killed and slow ones, a burst of ten times the rate.

    python -m benchmarks.serving MODEL IMAGE [IMAGE …] --workspace DIR [--seconds 60]

Connections that ask without a pause for so many seconds; the same for a sixth of the time while
other clients are killed in the middle of what they send, and while one sends a byte at a time; then
ten times as many requests per second as were answered before, each on a connection of its own,
whatever becomes of them, and then one more, which must be answered.
Prints one JSON object: requests per second, latencies, statuses, memory of the server after each.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

KILLED = 20
BURST = 10  # times the rate
_MOST_OPEN = 3000  # requests of the burst that wait for an answer
_ANSWER_S = 60


def used(pid: int) -> tuple[float, float]:
    """Resident memory of a process and its descendants in MB, and their processor time in s."""
    stats: dict[int, list[str]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            stats[int(place.parent.name)] = place.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
    family = {pid}
    while more := {p for p, fields in stats.items() if int(fields[1]) in family} - family:
        family |= more
    pages = sum(int(stats[p][21]) for p in family if p in stats)
    ticks = sum(int(stats[p][11]) + int(stats[p][12]) for p in family if p in stats)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, ticks / os.sysconf("SC_CLK_TCK")


class Tally:
    """How long answers took, and what they were; what has none counts by the name of its error."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.statuses: dict[str, int] = {}
        self.told_when = 0  # answers 429 that say when to ask again

    def answered(self, status: int, seconds: float, *, retry_after: bool) -> None:
        """Count an answer."""
        if status == 200:
            self.times.append(seconds)
        self.told_when += status == 429 and retry_after
        self.count(str(status))

    def count(self, name: str) -> None:
        """Count something else that became of a request."""
        self.statuses[name] = self.statuses.get(name, 0) + 1

    def result(self, seconds: float) -> dict[str, Any]:
        """Of the answers that are one: how many a second, and their latencies."""
        cuts = statistics.quantiles(self.times, n=100) if len(self.times) > 1 else []
        return {
            "answered": len(self.times),
            "per_second": round(len(self.times) / seconds, 1),
            **{f"p{at}_ms": round(1000 * cuts[at - 1], 1) for at in (50, 95, 99) if cuts},
            "statuses": self.statuses,
        }


async def ask(tally: Tally, client: httpx.AsyncClient, content: tuple[str, bytes]) -> None:
    """One request of a client library."""
    began = time.perf_counter()
    try:
        answer = await client.post("/v1/predict", files={"files": content})
    except httpx.HTTPError as err:
        tally.count(type(err).__name__)
    else:
        taken = time.perf_counter() - began
        tally.answered(answer.status_code, taken, retry_after="retry-after" in answer.headers)


async def ask_alone(tally: Tally, url: str, content: bytes) -> None:
    """One request on a connection of its own.

    Why no client library: with hundreds of open requests httpx takes longer than the server, so
    that most of them wait in the client, and the server never sees the burst.
    """
    place, began = urlsplit(url), time.perf_counter()
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            try:
                writer.write(content)
                await writer.drain()
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.read()
            finally:
                writer.close()
    except (OSError, EOFError) as err:  # a TimeoutError is an OSError
        tally.count(type(err).__name__)
    else:
        taken = time.perf_counter() - began
        tally.answered(int(head.split()[1]), taken, retry_after=b"\r\nretry-after:" in head.lower())


async def load(url: str, images: list[Path], connections: int, seconds: float) -> dict[str, Any]:
    """Ask from many connections until the time is over."""
    contents = [(image.name, image.read_bytes()) for image in images]
    ends, tally = time.monotonic() + seconds, Tally()

    async def ask_on(client: httpx.AsyncClient, start: int) -> None:
        at = start
        while time.monotonic() < ends:
            await ask(tally, client, contents[at % len(contents)])
            at += 1

    limits = httpx.Limits(max_connections=connections)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        await asyncio.gather(*(ask_on(client, i) for i in range(connections)))
    return tally.result(seconds)


async def burst(url: str, images: list[Path], per_second: float, seconds: float) -> dict[str, Any]:
    """Ask so many times a second without waiting for answers, and once more after the last one."""
    contents = [request_of(url, image) for image in images]
    tally, waiting, asked, most = Tally(), set[asyncio.Task[None]](), 0, 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        while asked < now * per_second and len(waiting) < _MOST_OPEN:
            task = asyncio.create_task(ask_alone(tally, url, contents[asked % len(contents)]))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            asked += 1
        most = max(most, len(waiting))
        await asyncio.sleep(0.005)
    took = time.monotonic() - began
    await asyncio.gather(*waiting)
    answered_after = time.monotonic() - began
    after = Tally()
    await ask_alone(after, url, contents[0])
    return {
        "asked": asked,
        "asked_per_second": round(asked / took, 1),
        "most_open": most,
        **tally.result(answered_after),
        "refused": tally.statuses.get("429", 0),
        "told_when_to_ask_again": tally.told_when,
        "neither": sum(tally.statuses.values()) - len(tally.times) - tally.statuses.get("429", 0),
        "next_request": after.statuses,
    }


def request_of(url: str, image: Path) -> bytes:
    """The bytes of a request for one image, after whose answer the connection ends."""
    request = httpx.Request(
        "POST",
        f"{url}/v1/predict",
        files={"files": image.open("rb")},
        headers={"Connection": "close"},
    )
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(["POST /v1/predict HTTP/1.1", *lines, "", ""])
    return head.encode() + request.read()


def half_sent(url: str, content: bytes) -> None:
    """Send half of a request, and wait to be killed."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(content[: len(content) // 2])
        time.sleep(60)


async def killed(url: str, image: Path, seconds: float) -> dict[str, Any]:
    """Kill clients one after another in the middle of what they send."""
    content, fork = request_of(url, image), multiprocessing.get_context("fork")
    for _ in range(KILLED):
        client = fork.Process(target=half_sent, args=(url, content))
        client.start()
        await asyncio.sleep(seconds / KILLED)
        client.kill()
        client.join()
    return {"clients": KILLED}


async def slow(url: str, image: Path, seconds: float) -> dict[str, Any]:
    """Send a request byte by byte; says what the server answered, if it did."""
    place, content = urlsplit(url), request_of(url, image)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    ends, sent = time.monotonic() + seconds, 0
    with contextlib.suppress(OSError):
        while time.monotonic() < ends and not reader.at_eof():
            writer.write(content[sent : sent + 1])
            await writer.drain()
            sent += 1
            await asyncio.sleep(0.05)
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        answer = await asyncio.wait_for(reader.readline(), 1)
    writer.close()
    return {"bytes_sent": sent, "answer": answer.decode("latin-1").strip() or "none yet"}


async def beside(work: Any, busy: Any) -> dict[str, Any]:
    """Both at once: what the work told, and how the busy clients fared."""
    told, others = await asyncio.gather(work, busy)
    return {**told, "others": others}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, default=16)
    given = parser.parse_args()
    command = [sys.executable, "-m", "core.cli", "serve", given.model, "--port", "0", "--json"]
    server = subprocess.Popen(
        [*command, "--workspace", given.workspace], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        url = json.loads(server.stdout.readline())["url"]
        asyncio.run(load(url, given.images, given.connections, given.seconds / 6))  # warm
        before, spent = used(server.pid)
        steady = asyncio.run(load(url, given.images, given.connections, given.seconds))
        after, spent_after = used(server.pid)
        steady["processor_ms"] = round(1000 * (spent_after - spent) / steady["answered"], 1)
        result: dict[str, Any] = {"steady": steady}
        memory = {"before": round(before), "steady": round(after)}
        short = given.seconds / 6
        for name, others in (("killed", killed), ("slow", slow)):
            busy = load(url, given.images, given.connections, short)
            result[name] = asyncio.run(beside(others(url, given.images[0], short), busy))
            memory[name] = round(used(server.pid)[0])
        rate = BURST * steady["per_second"]
        result["burst"] = asyncio.run(burst(url, given.images, rate, short))
        memory["burst"] = round(used(server.pid)[0])
        result["afterwards"] = asyncio.run(load(url, given.images, given.connections, short))
        memory["afterwards"] = round(used(server.pid)[0])
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
        stop = {"stop_s": round(time.monotonic() - began, 2), "exit_code": code}
        print(json.dumps({**result, "memory_mb": memory, **stop}, indent=2))
    finally:
        server.kill()


if __name__ == "__main__":
    main()
