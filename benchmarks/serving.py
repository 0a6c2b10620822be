"""Load on `touchstone serve`: connections that ask without a pause, and a burst beyond the limit.

    python -m benchmarks.serving MODEL IMAGE [IMAGE …] --workspace DIR [--seconds 60]

Prints one JSON object: requests per second, latencies, errors, memory of the server before and
after.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx


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


async def load(url: str, images: list[Path], connections: int, seconds: float) -> dict[str, Any]:
    """Ask from many connections until the time is over."""
    contents = [(image.name, image.read_bytes()) for image in images]
    ends = time.monotonic() + seconds
    times: list[float] = []
    statuses: dict[int, int] = {}

    async def ask(client: httpx.AsyncClient, start: int) -> None:
        at = start
        while time.monotonic() < ends:
            began = time.perf_counter()
            answer = await client.post("/v1/predict", files={"files": contents[at % len(contents)]})
            times.append(time.perf_counter() - began)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            at += 1

    limits = httpx.Limits(max_connections=connections)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        await asyncio.gather(*(ask(client, i) for i in range(connections)))
    cuts = statistics.quantiles(times, n=100)
    return {
        "requests": len(times),
        "per_second": round(len(times) / seconds, 1),
        "p50_ms": round(1000 * cuts[49], 1),
        "p95_ms": round(1000 * cuts[94], 1),
        "p99_ms": round(1000 * cuts[98], 1),
        "statuses": statuses,
    }


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
        asyncio.run(load(url, given.images, given.connections, 2))  # warm
        before, spent = used(server.pid)
        steady = asyncio.run(load(url, given.images, given.connections, given.seconds))
        after, spent_after = used(server.pid)
        steady["processor_ms"] = round(1000 * (spent_after - spent) / steady["requests"], 1)
        burst = asyncio.run(load(url, given.images, 16 * given.connections, given.seconds / 4))
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
        print(
            json.dumps(
                {
                    "steady": steady,
                    "burst": burst,
                    "memory_mb": [round(before), round(after)],
                    "stop_s": round(time.monotonic() - began, 2),
                    "exit_code": code,
                },
                indent=2,
            )
        )
    finally:
        server.kill()


if __name__ == "__main__":
    main()
