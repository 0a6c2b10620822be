"""Requests that read files of people wait apart from all others, and not for ever.

All routes share the server's threads: where a network drive does not answer, a gallery would keep
every one of them, and nobody could open any page.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from core.errors import TouchstoneError
from core.words import duration

Result = TypeVar("Result")

PICTURES = ThreadPoolExecutor(8, thread_name_prefix="pictures")
EXPORTS = ThreadPoolExecutor(4, thread_name_prefix="exports")
PICTURE_S = 150.0  # a heatmap may wait for the network to be loaded
EXPORT_S = 600.0  # all files are compared before the first byte is sent


class NoAnswerError(TouchstoneError):
    """The folder of a file does not answer."""


async def in_time(
    threads: ThreadPoolExecutor,
    seconds: float,
    function: Callable[..., Result],
    *arguments: object,
) -> Result:
    """Run a function in threads of their own.

    Raises:
        NoAnswerError: if it takes longer.
    """
    loop = asyncio.get_running_loop()
    # Why with the context: it says who asks.
    call = loop.run_in_executor(
        threads, partial(contextvars.copy_context().run, function, *arguments)
    )
    try:
        return await asyncio.wait_for(call, seconds)
    except TimeoutError as err:
        raise NoAnswerError(
            f"The files could not be read within {duration(seconds)}.",
            "Their network drive may not answer. Check the drive, then try again.",
        ) from err


async def blocks_in_time(
    threads: ThreadPoolExecutor, seconds: float, blocks: Iterator[bytes]
) -> AsyncIterator[bytes]:
    """The blocks of a stream, each made in threads of their own; see `in_time`."""
    while (block := await in_time(threads, seconds, next, blocks, None)) is not None:
        yield block
