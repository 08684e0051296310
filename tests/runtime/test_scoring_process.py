"""Scoring in a process of its own: its memory, and how it ends while it waits for a stream."""

import json
import signal
import subprocess
import sys

import pytest
from tiny_bundles import tiny_bundle

from cli_runs import hear_ctrl_c
from waiting import PATIENCE

SCORE = """
import re, sys
from pathlib import Path
from foreshot.runtime.classifier import load
from foreshot.runtime.scoring import score_file

bundle, source, *out = sys.argv[1:]
try:
    summary = score_file(load(bundle, threads=1), source, *out)
except KeyboardInterrupt:
    sys.exit(130)
peak = re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]  # of this process, not its parent
print(summary.rows, peak, round(summary.rows / summary.seconds))
"""
ROWS = 1_000_000
MOST_GROWTH = 50 * 1024  # KiB


def command(*arguments):
    return [sys.executable, "-c", SCORE, *map(str, arguments)]


def write_rows(path, rows):
    with path.open("w") as file:
        file.write("id,comment\n")
        file.writelines(f"{number},you {'walnut' if number % 7 else 'kind day'} {number}\n" for number in range(rows))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_million_rows_take_no_more_memory_than_ten_thousand(tmp_path, suffix):
    bundle = tiny_bundle(tmp_path / "bundle")
    peaks = []
    for rows in (ROWS // 100, ROWS):
        source = write_rows(tmp_path / "in.csv", rows)
        out = tmp_path / f"out.{suffix}"
        done = subprocess.run(command(bundle, source, out), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        scored, peak, pace = map(int, done.stdout.split())
        assert scored == rows
        print(f"{rows:,} rows to {suffix}: {peak / 1024:.1f} MiB at most, {pace:,} rows/s")
        peaks.append(peak)
    assert peaks[1] - peaks[0] < MOST_GROWTH


def test_interrupted_while_it_waits_for_a_line_it_ends_without_complaint(tmp_path):
    bundle = tiny_bundle(tmp_path / "bundle")
    with subprocess.Popen(
        command(bundle, "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    ) as process:
        process.stdin.write("you walnut\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["label"] == "toxic"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 130
        assert process.stderr.read() == ""
