"""Real processes of `foreshot` that are ready in milliseconds: forks of one that has imported everything already.

A process that is killed takes nothing else with it, so each try at a crash needs one of its own, and a new interpreter
spends seconds on importing PyTorch. `Forks` starts this file as a script; for every command it forks, and the fork runs
the command line as if it had been started with these arguments. It can be told to kill itself at a rename.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NoReturn

from cli_runs import process_environment
from waiting import PATIENCE


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended: its exit code (minus the signal, where one killed it), what it wrote, the renames it did."""

    exit_code: int
    stdout: str
    stderr: str
    renames: list[str]
    seconds: float

    @property
    def was_killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL


@dataclass(frozen=True)
class KilledAtRename:
    """Kill the process right before or right after a rename: of those to a name that ends so, the one with this number.

    Numbers count from 1.
    """

    number: int
    when: Literal["before", "after"]
    to: str = ""


class Forks:
    """Runs commands in forks of a process that has imported PyTorch and Foreshot."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forks-")
        paths = os.pathsep.join(filter(None, sys.path))
        environment = {**process_environment(), "PYTHONPATH": paths, "PYTHONHASHSEED": "0"}
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._answer() == "ready"

    def run(
        self,
        *arguments: object,
        meanwhile: Callable[[int], object] | None = None,
        fault: KilledAtRename | None = None,
        patches: Sequence[str] = (),
    ) -> Ended:
        """Run a command to its end; `meanwhile` gets the process id, and may send it signals or run another command.

        `patches` are "module:function:argument": what the fork calls before anything else.
        """
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        files = {name: folder / name for name in ("stdout", "stderr", "renames")}
        for file in files.values():
            file.touch()
        request = {
            "arguments": [str(argument) for argument in arguments],
            "files": {name: str(file) for name, file in files.items()},
            "fault": None if fault is None else [fault.number, fault.when, fault.to],
            "patches": list(patches),
        }
        began = time.monotonic()
        pid = self._ask(request)
        if meanwhile:
            meanwhile(pid)
        code = self._ask({"wait for": pid})
        return Ended(
            exit_code=code,
            stdout=files["stdout"].read_text(encoding="utf-8"),
            stderr=files["stderr"].read_text(encoding="utf-8"),
            renames=files["renames"].read_text(encoding="utf-8").splitlines(),
            seconds=time.monotonic() - began,
        )

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._server.stdin
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer: int = self._answer()
        return answer

    def close(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(timeout=PATIENCE)
        assert self._server.stdout
        self._server.stdout.close()
        self._folder.cleanup()

    def _answer(self) -> Any:
        assert self._server.stdout
        line = self._server.stdout.readline()
        assert line, "the process that is forked has ended"
        return json.loads(line)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has waited for yet has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def kill_when(condition: Callable[[], bool], *, then_wait: float = 0.0, number: int = signal.SIGKILL) -> Any:
    """For `meanwhile`: send a signal some seconds after a condition holds."""

    def wait_and_send(pid: int) -> None:
        while not condition():
            if not is_running(pid):
                return
            time.sleep(0.001)
        time.sleep(then_wait)
        send(pid, number)

    return wait_and_send


# ---- in the process that is forked ----


def serve() -> None:
    """Import everything, then fork for each line of standard input, and wait for the fork's end."""
    import gc

    import matplotlib.pyplot  # noqa: F401

    import foreshot.comparison.compare
    import foreshot.exporting.export
    import foreshot.reporting.terminal  # noqa: F401
    from foreshot.reporting.drawing import Drawing

    Drawing.svg = ""  # type: ignore[assignment]  # no crash depends on what is drawn, which is a quarter of a run
    gc.freeze()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait for" in request:
            print(os.waitstatus_to_exitcode(os.waitpid(request["wait for"], 0)[1]), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _become_the_command(request)
        print(pid, flush=True)


def _become_the_command(request: dict[str, Any]) -> NoReturn:
    from foreshot.cli import main

    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request["files"][name], os.O_WRONLY | os.O_APPEND), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell ignores Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = ["foreshot", *request["arguments"]]
    code: Any = 0
    try:
        for patch in request["patches"]:
            module, function, argument = patch.split(":")
            getattr(__import__(module), function)(argument)
        with open(request["files"]["renames"], "a", encoding="utf-8", buffering=1) as told:
            _watch_renames(told, *(request["fault"] or (0, "", "")))
            main()
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1 if code else 0)


def _watch_renames(told: IO[str], number: int, when: str, to: str) -> None:
    """Write down what each rename names, and kill this process at one of them."""
    from foreshot.files import atomic

    done = 0

    def watching(rename: Callable[..., Any]) -> Callable[..., Any]:
        def watched(source: Any, target: Any, **options: Any) -> Any:
            nonlocal done
            done += str(target).endswith(to)
            is_it = done == number and str(target).endswith(to)
            told.write(f"{os.fspath(target)}\n")
            if is_it and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = rename(source, target, **options)
            if is_it and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return watched

    os.rename, os.replace = watching(os.rename), watching(os.replace)
    atomic._exchange = watching(atomic._exchange)


@contextlib.contextmanager
def forking() -> Iterator[Forks]:
    forks = Forks()
    try:
        yield forks
    finally:
        forks.close()


if __name__ == "__main__":
    serve()
