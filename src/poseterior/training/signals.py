"""Ctrl-C and SIGTERM as a flag, so that a training can finish its step and save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Interrupted", "Stop", "stop_on_signals"]


class Interrupted(Exception):
    """Training was asked to stop; its state is saved. The command line exits with 130."""


class Stop:
    """Whether a signal has asked to stop, and which."""

    signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Inside the block the first SIGINT or SIGTERM only sets the flag; a second acts as usual.

    Only the main thread can catch signals: elsewhere the flag is never set.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def catch(number: int, frame: object) -> None:
        stop.signal = signal.Signals(number)
        restore()

    for number in before:
        signal.signal(number, catch)
    try:
        yield stop
    finally:
        restore()
