"""How a command ends: its exit code and, unless all is well, one line on standard error.

0 done; 2 input that cannot be used, or a place that cannot be written; 1 a run that failed;
130 stopped by Ctrl-C or SIGTERM; 141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from poseterior.errors import InputError

__all__ = ["Failed", "run_to_exit_code"]

_LONGEST = 1000


class Failed(Exception):
    """A run that came to nothing through no fault of its input."""


def run_to_exit_code(command: Callable[[], None]) -> int:
    """Run a command; what is foreseen ends in a code and a line, anything else is raised."""
    try:
        with _sigterm_as_interrupt():
            try:
                command()
            finally:
                _flush()
    except BrokenPipeError:
        _let_go_of_stdout()
        return 141
    except KeyboardInterrupt as stopped:
        return _fail(str(stopped) or "stopped", 130)
    except (Failed, MemoryError) as error:
        return _fail(str(error) or "not enough memory", 1)
    except InputError as error:
        return _fail(str(error), 2)
    except RuntimeError as error:  # how torch says that memory is short
        if "memory" not in str(error):
            raise
        return _fail(str(error), 1)
    except OSError as error:
        _let_go_of_stdout()
        name, reason = error.filename, error.strerror or str(error)
        return _fail(f"{name}: {reason}" if name else reason, 2)
    return 0


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Inside the block SIGTERM does what Ctrl-C does, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt("terminated")


def _flush() -> None:
    """Now, where an error can be told, and not when Python ends."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _let_go_of_stdout() -> None:
    """Send what is left in the buffer nowhere, if it cannot be written."""
    try:
        _flush()
    except OSError:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def _fail(message: str, code: int) -> int:
    line = " ".join(message.splitlines())
    shown = line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
    with suppress(OSError):
        print(f"poseterior: {shown}", file=sys.stderr, flush=True)
    return code
