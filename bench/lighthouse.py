"""Lighthouse over the list and a letter of the demo, on a phone and on a desktop.

Needs Node, Chromium, and `npm install --prefix build/tools lighthouse@12`: says so and measures
nothing where one of them is missing. Its times are simulated for a slow phone and network, and
differ little between machines; the goals are 100 for accessibility and 95 for performance.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tests.journeys.browserless import SUBSTANTIAL, Visitor  # noqa: E402
from tests.journeys.processes import ROOT, demo  # noqa: E402

PROGRAM = ROOT / "build" / "tools" / "node_modules" / ".bin" / "lighthouse"
HOW = "npm install --prefix build/tools lighthouse@12"
FORMS = {"phone": [], "desktop": ["--preset=desktop"]}
CATEGORIES = ("performance", "accessibility")
LETTER = re.compile(r'href="(/letters/[0-9a-f-]{36}/)')


def main() -> None:
    """Print the scores, from 0 to 100."""
    chromium = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium")
    if not PROGRAM.is_file() or not chromium or not shutil.which("node"):
        print(f"Lighthouse: left out, as Node, Chromium or Lighthouse is missing ({HOW})")
        return
    with tempfile.TemporaryDirectory(prefix="samlepost-lighthouse-") as made:
        folder = Path(made)
        (folder / "demo").mkdir()
        with demo(folder / "demo", {}) as running, Visitor(running.web) as kari:
            running.start_simulators()
            running.set_up()
            running.run("manage.py", "sync")
            running.start_web()
            kari.log_in("kari", SUBSTANTIAL)
            found = LETTER.search(kari.get("/?q=dokumentasjon").text)
            assert found, "Kari has no such letter"
            headers = folder / "headers.json"
            cookies = "; ".join(f"{each['name']}={each['value']}" for each in kari.cookies())
            headers.write_text(json.dumps({"Cookie": cookies}))
            for page, path in (("list", "/"), ("letter", found[1])):
                for form, options in FORMS.items():
                    scores = _scores(f"{running.web}{path}", headers, options, chromium)
                    said = ", ".join(f"{name} {score:.0f}" for name, score in scores.items())
                    print(f"Lighthouse, {page}, {form}: {said}")


def _scores(address: str, headers: Path, options: list[str], chromium: str) -> dict[str, float]:
    command = [
        *[str(PROGRAM), address, "--output=json", "--quiet"],
        f"--extra-headers={headers}",
        f"--only-categories={','.join(CATEGORIES)}",
        "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
        *options,
    ]
    environment = {**os.environ, "CHROME_PATH": chromium}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["finalDisplayedUrl"] == address, "Lighthouse was led to another page"
    return {name: report["categories"][name]["score"] * 100 for name in CATEGORIES}


if __name__ == "__main__":
    main()
