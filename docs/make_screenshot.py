"""Pictures the first page of html/ for the README: `make screenshot`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from passtime.site.serving import CHROMIUMS, FLAGS, chromium, serving

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs/front-page.png"
SIZE = {"width": 1200, "height": 780}


def main() -> None:
    executable = chromium()
    if executable is None:
        sys.exit(f"Error: no browser to picture the site with: none of {', '.join(CHROMIUMS)} is on PATH")
    if not (ROOT / "html/index.html").is_file():
        sys.exit("Error: there is no html/ yet: `make site` publishes it")
    with serving(ROOT / "html") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(address)
        page.locator("table.times").first.wait_for()
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
