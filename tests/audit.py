"""Looks for known vulnerabilities in what the desk runs on: pip-audit, over every pin of requirements.txt.

Fails if it finds one. Where the database of vulnerabilities cannot be reached it says so and passes: pip-audit itself
would call that "no known vulnerabilities".
"""

import json
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"


def main() -> int:
    """0 if nothing is known to be vulnerable, or nothing could be asked; 1 for what is."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--format", "json", "--no-deps", "--disable-pip", "-r", REQUIREMENTS,
         "--progress-spinner", "off", "--timeout", "10"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        found = json.loads(asked.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        print(f"NOT AUDITED: the database of vulnerabilities cannot be reached ({asked.stderr.strip()[-200:]})")
        return 0
    vulnerable = [one for one in found if one.get("vulns")]
    unknown = [one["name"] for one in found if "skip_reason" in one]
    for one in vulnerable:
        for fault in one["vulns"]:
            print(f"{one['name']} {one['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or '–'}")
    if unknown:
        print(f"NOT AUDITED: {len(unknown)} of {len(found)}: {', '.join(unknown[:5])} …")
    print(f"{len(found) - len(unknown)} of {len(found)} dependencies audited, {len(vulnerable)} vulnerable")
    return bool(vulnerable)


if __name__ == "__main__":
    sys.exit(main())
