"""How many requests a server answers, and how soon, against what `foreshot predict` scores of the same texts offline.

    python benchmarks/serving.py BUNDLE [--texts FILE --text COLUMN] [--turns 3] [--requests 100000] [--workers 1]

Every request asks for one text. In each turn, on the same cores: (offline) `foreshot predict` of a file, which counts
from its first row; (served) wrk on the same texts, 64 connections, for 15 seconds; (unbatched) the same against a
server that computes texts one by one (limits: {batch: 1}). Ratios are of one turn; printed are medians with the
smallest and largest. Then, against a server of its own: (paced) requests sent at half of the served rate, whether or
not the ones before were answered, each timed from when it was due; (long) at least --requests by wrk, its errors, and
the server's resident memory after the first 1,000 requests and after all. wrk and the pacer share the cores with the
server. Needs wrk (Debian: wrk).
"""

import argparse
import asyncio
import contextlib
import csv
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from foreshot.data.sample import make_corpus
from foreshot.data.table import read_texts

AIMS = {"served / offline": 0.60, "p99 ms": 50, "MB": 20}
CONNECTIONS = 64
SECONDS = 15
PACED_SECONDS = 20
SCRIPT = """
local bodies, at = {{}}, 0
for line in io.lines({bodies!r}) do bodies[#bodies + 1] = line end
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
request = function()
  at = at % #bodies + 1
  return wrk.format(nil, "/v1/classify", nil, bodies[at])
end
done = function(summary)
  local errors = summary.errors
  print("RESULT " .. summary.requests .. " " .. summary.duration / 1e6 .. " "
    .. errors.connect + errors.read + errors.write + errors.status + errors.timeout)
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--texts")
    parser.add_argument("--text")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    texts = read_texts(asked.texts, text=asked.text) if asked.texts else [row.text for row in make_corpus(seed=0).test]
    texts = [text for text in texts if text.strip()]
    options = ["--workers", str(asked.workers)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = write_inputs(folder, texts)
        unbatched = [*options, "--config", str(folder / "unbatched.yaml")]
        turns = []
        for _ in range(asked.turns):
            turns.append(
                {
                    "offline": offline_rate(asked.bundle, folder / "texts.csv", len(texts)),
                    "served": served_rate(asked.bundle, script, options),
                    "unbatched": served_rate(asked.bundle, script, unbatched),
                }
            )
            print(json.dumps({name: round(rate) for name, rate in turns[-1].items()}), file=sys.stderr)
        half = statistics.median(turn["served"] for turn in turns) / 2
        with serving(asked.bundle, options) as (url, process):
            delays = asyncio.run(paced(url, (folder / "bodies.jsonl").read_bytes().splitlines(), half, PACED_SECONDS))
        with serving(asked.bundle, options) as (url, process):
            long = long_run(url, process, script, asked.requests, half)
    print(json.dumps(report(texts, turns, half, delays, long), indent=1))


def write_inputs(folder: Path, texts: Sequence[str]) -> Path:
    """The texts as a CSV file and as bodies of requests; gives wrk's script."""
    with (folder / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    bodies = "".join(json.dumps({"texts": [text.replace("\\0", " ")]}) + "\n" for text in texts)
    (folder / "bodies.jsonl").write_text(bodies, encoding="utf-8")
    (folder / "unbatched.yaml").write_text("limits: {batch: 1, batch_wait_seconds: 0}\n", encoding="utf-8")
    script = folder / "wrk.lua"
    script.write_text(SCRIPT.format(bodies=str(folder / "bodies.jsonl")), encoding="utf-8")
    return script


def offline_rate(bundle: Path, file: Path, rows: int) -> float:
    """Rows/s of `foreshot predict`, without the seconds that a process takes to its first answer."""
    command = [sys.executable, "-m", "foreshot", "predict", str(bundle)]
    began = time.perf_counter()
    subprocess.run([*command, "hello"], check=True, capture_output=True)
    start_up = time.perf_counter() - began
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scored.csv"
        subprocess.run([*command, str(file), "--text", "text", "--out", str(out)], check=True, capture_output=True)
    return rows / (time.perf_counter() - began - start_up)


@contextlib.contextmanager
def serving(bundle: Path, options: Sequence[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server's address and process, warm."""
    command = [sys.executable, "-m", "foreshot", "serve", str(bundle), "--port", "0", "--no-access-log", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = None
        while found is None:
            found = re.search(r"http://\S+", process.stdout.readline())
        yield found[0], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def wrk(url: str, script: Path, seconds: float, connections: int = CONNECTIONS) -> tuple[int, float, int]:
    """Answers, seconds, and errors of any kind."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answers, took, errors = re.search(r"RESULT (\d+) ([\d.]+) (\d+)", done.stdout).groups()  # type: ignore[union-attr]
    return int(answers), float(took), int(errors)


def served_rate(bundle: Path, script: Path, options: Sequence[str]) -> float:
    """Requests/s, each of one text."""
    with serving(bundle, options) as (url, _):
        wrk(url, script, 2)
        answers, took, errors = wrk(url, script, SECONDS)
    if errors:
        raise SystemExit(f"{errors} of {answers} requests failed")
    return answers / took


async def paced(url: str, bodies: Sequence[bytes], rate: float, seconds: float) -> np.ndarray:
    """Seconds from when a request was due to the end of its answer, (requests,), at a rate kept whatever happens."""
    at = urlsplit(url)
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    delays: list[float] = []

    async def ask(body: bytes, due: float) -> None:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(at.hostname, at.port)
        head = f"POST /v1/classify HTTP/1.1\r\nhost: {at.netloc}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in answer[:20], answer
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer)[1]))  # type: ignore[index]
        idle.append((reader, writer))
        delays.append(time.perf_counter() - due)

    began = time.perf_counter()
    asked = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0, due - time.perf_counter()))
        asked.append(asyncio.create_task(ask(bodies[number % len(bodies)], due)))
    await asyncio.gather(*asked)
    for _, writer in idle:
        writer.close()
    return np.array(delays)


def long_run(
    url: str, process: subprocess.Popen[str], script: Path, requests: int, rate_at_least: float
) -> dict[str, float]:
    """Errors and memory over many requests."""
    first, _, errors = wrk(url, script, max(1, 1000 / rate_at_least))
    before = resident(process.pid)
    answers = first
    while answers < requests:
        more, _, failed = wrk(url, script, min(60, (requests - answers) / rate_at_least + 1))
        answers, errors = answers + more, errors + failed
    return {"requests": answers, "errors": errors, "MB before": before, "MB after": resident(process.pid)}


def resident(pid: int) -> float:
    """Megabytes that a process, and what it started, have in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024 + sum(map(resident, map(int, children)))  # type: ignore[index]


def report(
    texts: Sequence[str], turns: list[dict[str, float]], half: float, delays: np.ndarray, long: dict[str, float]
) -> dict[str, object]:
    """All figures, ratios by turn."""
    spread = {name: three([turn[name] for turn in turns]) for name in turns[0]}
    return {
        "texts": len(texts),
        "median characters": statistics.median(map(len, texts)),
        "cores": len(os.sched_getaffinity(0)),
        **{f"{name}, texts/s": values for name, values in spread.items()},
        "served / offline": three([turn["served"] / turn["offline"] for turn in turns], 3),
        "served / unbatched": three([turn["served"] / turn["unbatched"] for turn in turns], 3),
        "paced": {
            "requests/s": round(half),
            "requests": len(delays),
            "ms, p50 p90 p99 max": [
                round(1000 * float(np.quantile(delays, share)), 1) for share in (0.5, 0.9, 0.99, 1)
            ],
        },
        "long": {name: round(value, 1) for name, value in long.items()},
        "aims": AIMS,
    }


def three(values: Sequence[float], digits: int = 1) -> list[float]:
    """Median, smallest, largest."""
    return [round(value, digits) for value in (statistics.median(values), min(values), max(values))]


if __name__ == "__main__":
    main()
