"""`@monitor(model="...")` on a function, or `with monitor(model="...") as call:` around a piece of one."""

import functools
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from types import AsyncGeneratorType, CoroutineType, GeneratorType, TracebackType
from typing import Any, TypeVar, cast

from vedette_client.call import Call
from vedette_client.client import Client, ModelType
from vedette_client.notices import log
from vedette_client.streams import Watched, WatchedAsyncGenerator, WatchedGenerator

Function = TypeVar("Function", bound=Callable[..., Any])
#: calls that this thread or task is inside of, by `with`
_inside: ContextVar[tuple[Call, ...]] = ContextVar("vedette_calls", default=())


class monitor:  # noqa: N801 - a decorator's name
    """Reports every call of a model: latency, time to the first item of a stream, errors; more by choice.

    inputs: True for the first argument, or a function of the arguments; False for none. outputs: True for what is
    returned (the joined items of a stream), or a function of it. tokens: a function of what is returned that gives
    {"input": ..., "output": ...}. caller: a function of the arguments that tells who asked. client: the Client; else
    one for VEDETTE_URL and VEDETTE_API_KEY.

    The function's own results and exceptions pass unchanged; an error in one of these functions leaves its part out.
    """

    def __init__(
        self,
        model: str,
        *,
        client: Client | None = None,
        model_type: ModelType = "llm",
        version: str | None = None,
        inputs: bool | Callable[..., Any] = False,
        outputs: bool | Callable[[Any], Any] = False,
        tokens: Callable[[Any], Mapping[str, int] | None] | None = None,
        caller: Callable[..., str | None] | None = None,
    ) -> None:
        self._model, self._model_type, self._version = model, model_type, version
        self._client = client
        self._inputs: Callable[..., Any] | None = _chosen(inputs, _first_argument)
        self._outputs: Callable[..., Any] | None = _chosen(outputs, lambda result: result)
        self._tokens, self._caller = tokens, caller
        self._entered: list[Call] = []

    def __call__(self, function: Function) -> Function:
        """The function, watched: plain, async, a generator or an async generator, or one that returns such."""
        begin = functools.partial(self._begin, self._inputs)
        if self._inputs is _first_argument and _is_method(function):
            begin = functools.partial(self._begin, _second_argument)
        if inspect.iscoroutinefunction(function):
            return cast(Function, self._asynchronous(function, begin))
        return cast(Function, self._synchronous(function, begin))

    def _synchronous(self, function: Callable[..., Any], begin: Callable[..., Call]) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            call = begin(args, kwargs)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                call.__exit__(type(error), error, None)
                raise
            return self._result(call, result)

        return watched

    def _asynchronous(self, function: Callable[..., Any], begin: Callable[..., Call]) -> Callable[..., Any]:
        plain = self._synchronous(function, begin)

        @functools.wraps(function)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            return await plain(*args, **kwargs)

        return watched

    async def _awaited(self, call: Call, coroutine: Awaitable[Any]) -> Any:
        try:
            result = await coroutine
        except BaseException as error:
            call.__exit__(type(error), error, None)
            raise
        return self._result(call, result)

    def _begin(self, inputs: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        call = self._new_call()
        call.input = _guarded(inputs, *args, **kwargs)
        call.client = _guarded(self._caller, *args, **kwargs)
        return call

    def _new_call(self) -> Call:
        return Call(self._client or default_client(), self._model, self._model_type, self._version)

    def _result(self, call: Call, result: Any) -> Any:
        """What the function gave; a coroutine and a stream are watched until their end."""
        if isinstance(result, CoroutineType):  # also of a plain function around an async one
            return self._awaited(call, result)
        watched = Watched(call, self._finish, keep=bool(self._outputs or self._tokens))
        if isinstance(result, GeneratorType):
            return WatchedGenerator(result, watched)
        if isinstance(result, AsyncGeneratorType):
            return WatchedAsyncGenerator(result, watched)
        self._finish(call, result)
        call.end()
        return result

    def _finish(self, call: Call, result: Any) -> None:
        if result is not None:
            call.output = _guarded(self._outputs, result)
            call.tokens = _guarded(self._tokens, result)

    def __enter__(self) -> Call:
        call = self._new_call()
        self._entered.append(call)
        _inside.set((*(outer for outer in _inside.get() if not outer.has_ended), call))
        return call

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        call = self._innermost()
        if call is not None:
            call.__exit__(kind, error, trace)

    def _innermost(self) -> Call | None:
        """The call that ends: the last one that was begun here in this thread or task.

        A generator may be ended in another context than it began in; then it is the last one at all.
        """
        here = [call for call in _inside.get() if call in self._entered]
        if not (found := here or self._entered):
            return None
        self._entered.remove(call := found[-1])
        return call

    async def __aenter__(self) -> Call:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def _chosen(choice: bool | Callable[..., Any], usual: Callable[..., Any]) -> Callable[..., Any] | None:
    if isinstance(choice, bool):
        return usual if choice else None
    return choice


def _guarded(extract: Callable[..., Any] | None, *args: Any, **kwargs: Any) -> Any:
    """What a function of the host's extracts; None where it fails."""
    if extract is None:
        return None
    try:
        return extract(*args, **kwargs)
    except Exception:
        return None


def _first_argument(*args: Any, **kwargs: Any) -> Any:
    return args[0] if args else next(iter(kwargs.values()))


def _second_argument(*args: Any, **kwargs: Any) -> Any:
    return _first_argument(*args[1:], **kwargs)


def _is_method(function: Callable[..., Any]) -> bool:
    try:
        return next(iter(inspect.signature(function).parameters), None) in ("self", "cls")
    except (TypeError, ValueError):
        return False


_default: Client | None = None
_making = threading.Lock()


def default_client() -> Client:
    """The client for VEDETTE_URL (http://127.0.0.1:10833) and VEDETTE_API_KEY, made when it is first needed."""
    global _default
    if _default is not None:  # without the lock, which another thread may hold while the process is forked
        return _default
    with _making:
        if _default is None:
            _default = _from_environment()
        return _default


def _from_environment() -> Client:
    try:
        return Client(os.environ.get("VEDETTE_URL", "http://127.0.0.1:10833"), os.environ.get("VEDETTE_API_KEY"))
    except ValueError as error:
        log.warning("vedette: VEDETTE_URL: %s; nothing is reported", error)
        client = Client()
        client.close()
        return client
