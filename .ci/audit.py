"""Asks PyPI whether it knows of vulnerabilities in the packages that a file of requirements pins.

    python .ci/audit.py requirements/dev.txt

It leaves with 0 if it heard of every package and nothing is known, with 1 if something is, and with 3 if it couldn't
ask: pip-audit itself says "no known vulnerabilities" when no package was found where it asked.
"""

import json
import subprocess
import sys

FOUND, NOT_ASKED = 1, 3


def main(requirements: str) -> int:
    """Run pip-audit on pinned requirements, and judge what it says."""
    command = ["-m", "pip_audit", "--vulnerability-service", "pypi", "--disable-pip", "--no-deps", "--format", "json"]
    done = subprocess.run(  # noqa: S603  # nosec B603
        [sys.executable, *command, "--requirement", requirements], capture_output=True, text=True, check=False
    )
    try:
        code, lines = judged(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        code, lines = NOT_ASKED, [f"couldn't ask: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}"]
    print(*(f"audit: {line}" for line in lines), sep="\n")  # noqa: T201
    return code


def judged(dependencies: list[dict]) -> tuple[int, list[str]]:
    """The exit code, and what to say, of pip-audit's list of packages."""
    skipped = [found["name"] for found in dependencies if "skip_reason" in found]
    lines = [
        f"{found['name']} {found['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'none'}"
        for found in dependencies
        for fault in found.get("vulns", [])
    ]
    code = FOUND if lines else 0
    if skipped or not dependencies:
        lines.append(f"couldn't ask about {len(skipped)} of {len(dependencies)} packages: {', '.join(skipped[:5])} ...")
        code = code or NOT_ASKED
    if not code:
        lines.append(f"PyPI knows of no vulnerability in these {len(dependencies)} packages")
    return code, lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
