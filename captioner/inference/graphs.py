"""LiteRT graphs that any number of threads may call, and a process that was forked, too."""

import ctypes
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from weakref import WeakSet

import numpy as np

from captioner.errors import ModelError, OptionsError

_POOLS: "WeakSet[GraphPool]" = WeakSet()


def default_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class GraphFile:
    """The file of a graph, as it was when it was first looked at."""

    def __init__(self, path: Path):
        self.path, self._stamp = path, _stamp(path)

    def open(self, threads: int) -> dict:
        """LiteRT's runner of each signature, by its name; all belong to one interpreter.

        Raises: ModelError when the file is no graph, or is no longer the one that it was.
        """
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(model_path=str(self.path), num_threads=threads)
            interpreter.allocate_tensors()
            runners = {name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"{self.path}: not a LiteRT model that can be opened ({reason})") from error
        if _stamp(self.path) != self._stamp:  # its answers would not go with those of graphs that are open already
            raise ModelError(f"{self.path}: altered while the model was in use; load the model again")
        return runners


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Changes when another file takes the place of this one; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Graph:
    """A LiteRT interpreter, opened when it is first needed.

    It holds the arrays of the call that it computes, and releases the GIL while it does: a second call at the same time
    would crash the process, or get the arrays of the first.
    """

    def __init__(self, file: GraphFile, threads: int):
        self._file, self._threads = file, threads
        self._runners: dict | None = None

    @property
    def is_open(self) -> bool:
        return self._runners is not None

    def open(self) -> None:
        """Raises: ModelError as `GraphFile.open`."""
        if self._runners is None:
            self._runners = self._file.open(self._threads)

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays that an open graph gives, by name."""
        return self._runners[signature](**inputs)

    def signatures(self) -> dict[str, dict[str, dict]]:
        """What LiteRT says of an open graph's arrays: `{signature: {"inputs": {name: details}, "outputs": ...}}`."""
        return {
            name: {"inputs": runner.get_input_details(), "outputs": runner.get_output_details()}
            for name, runner in self._runners.items()
        }


class GraphPool:
    """Graphs of one file for any number of threads. Each is opened when it is first needed, and stays open.

    A call that is alone has the graph that computes with all threads. Calls at the same time have a graph each, with
    its share of the threads: with all threads in each call, the calls would wait for each other.
    """

    def __init__(self, path: Path, threads: int | None, max_calls: int, is_shared: bool = False):
        """threads: to compute with, all cores by default. max_calls: at the same time, others wait; they are no more
        than there are threads. is_shared: no call is taken to be alone.

        Raises: OptionsError for no threads.
        """
        self._threads = default_threads() if threads is None else threads
        if self._threads < 1:
            raise OptionsError(f"threads must be at least 1, not {self._threads}")
        self.path, self.max_calls, self._is_shared = path, min(self._threads, max_calls), is_shared
        self._file = GraphFile(path)
        self._signatures: dict[str, dict] | None = None
        self._renew()
        _POOLS.add(self)

    def __reduce__(self):
        return GraphPool, (self.path.absolute(), self._threads, self.max_calls, self._is_shared)

    def _renew(self) -> None:
        """Makes the graphs, none of them open."""
        threads, rest = divmod(self._threads, self.max_calls)
        shares = [Graph(self._file, threads + (number < rest)) for number in range(self.max_calls)]
        has_whole = self.max_calls > 1 and not self._is_shared
        whole = [Graph(self._file, self._threads)] if has_whole else []
        self._graphs = [*shares, *whole]
        self._idle_shares = _stack(shares)
        self._idle_whole = _stack(whole) if has_whole else self._idle_shares
        self._calls: set[object] = set()

    def open(self) -> None:
        """Opens all graphs, before the first call. Raises: ModelError as `GraphFile.open`."""
        for graph in self._graphs:
            graph.open()

    @property
    def signatures(self) -> dict[str, dict[str, dict]]:
        """As `Graph.signatures`. Raises: ModelError as `GraphFile.open`."""
        if self._signatures is None:
            with self._graph() as graph:
                self._signatures = graph.signatures()
        return self._signatures

    def run(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays that the graph gives, by name. Raises: ModelError as `GraphFile.open`."""
        with self._graph() as graph:
            return graph.run(signature, inputs)

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Inside, no call is taken to be alone: others are about to come."""
        calls, call = self._calls, object()  # the set of this process: a fork makes another
        try:
            calls.add(call)
            yield
        finally:
            calls.discard(call)

    @contextmanager
    def _graph(self) -> Iterator[Graph]:
        """An open graph, for one call."""
        with self.sharing():
            idle = self._idle_whole if len(self._calls) == 1 else self._idle_shares
            graph = idle.get()
            try:
                graph.open()
                yield graph
            finally:
                idle.put(graph)

    def renew_in_child(self) -> None:
        """Leaves the graphs to the process that this one was forked from, where their threads and calls are.

        They are kept for as long as this process lives: LiteRT crashes when it closes a graph whose threads are gone.
        """
        if any(graph.is_open for graph in self._graphs):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._graphs))
        self._renew()


def _stack(graphs: list[Graph]) -> "LifoQueue[Graph]":
    """The first graph comes first, and then the one that was used last: none is opened while an open one is idle."""
    stack: LifoQueue[Graph] = LifoQueue()
    for graph in reversed(graphs):
        stack.put(graph)
    return stack


def _renew_in_child() -> None:
    for pool in list(_POOLS):
        pool.renew_in_child()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_in_child)
