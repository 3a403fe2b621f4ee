"""Generators that are watched while the host reads them: time to the first item, the end, errors."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any

from vedette_client.call import Call, is_failure

#: items of an answer that are kept to tell what it was
MOST_KEPT = 10_000


class Watched:
    """What both kinds do with a call: note the items, and finish once."""

    def __init__(self, call: Call, finish: Callable[[Call, Any], None], keep: bool) -> None:
        self._call, self._finish_call, self._keep = call, finish, keep
        self._items: list[Any] = []
        self._is_over = False

    def item(self, value: Any) -> None:
        self._call.first_token()
        if self._keep and len(self._items) < MOST_KEPT:
            self._items.append(value)

    def over(self, error: BaseException | None = None) -> None:
        if self._is_over:
            return
        self._is_over = True
        if error is not None and is_failure(error):
            self._call.fail(error)
        self._finish_call(self._call, self._whole())
        self._call.end()

    def _whole(self) -> Any:
        """The answer: texts joined, anything else as a list; None where nothing was kept."""
        if not self._items:
            return None
        return "".join(self._items) if all(isinstance(item, str) for item in self._items) else self._items


class WatchedGenerator(Generator[Any, Any, Any]):
    """A generator that reports its call when it ends, is closed, fails, or is thrown away."""

    def __init__(self, inner: Generator[Any, Any, Any], watched: Watched) -> None:
        self._inner, self._watched = inner, watched

    def send(self, value: Any) -> Any:
        return self._step(lambda: self._inner.send(value))

    def throw(self, kind: Any, value: Any = None, trace: TracebackType | None = None) -> Any:
        return self._step(lambda: self._inner.throw(_exception(kind, value, trace)))

    def _step(self, step: Callable[[], Any]) -> Any:
        try:
            item = step()
        except StopIteration:
            self._watched.over()
            raise
        except BaseException as error:
            self._watched.over(error)
            raise
        self._watched.item(item)
        return item

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._watched.over()


class WatchedAsyncGenerator(AsyncGenerator[Any, Any]):
    """The same for `async for`."""

    def __init__(self, inner: AsyncGenerator[Any, Any], watched: Watched) -> None:
        self._inner, self._watched = inner, watched

    async def asend(self, value: Any) -> Any:
        return await self._step(self._inner.asend(value))

    async def athrow(self, kind: Any, value: Any = None, trace: TracebackType | None = None) -> Any:
        return await self._step(self._inner.athrow(_exception(kind, value, trace)))

    async def _step(self, step: Any) -> Any:
        try:
            item = await step
        except StopAsyncIteration:
            self._watched.over()
            raise
        except BaseException as error:
            self._watched.over(error)
            raise
        self._watched.item(item)
        return item

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._watched.over()


def _exception(kind: Any, value: Any, trace: TracebackType | None) -> BaseException:
    """One exception from the three arguments that `throw` takes."""
    if isinstance(kind, BaseException):
        return kind
    made = value if isinstance(value, BaseException) else kind() if value is None else kind(value)
    return made.with_traceback(trace) if trace is not None else made
