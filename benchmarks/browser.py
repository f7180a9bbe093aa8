"""The dashboard in a real browser: first load, event to pixel with many containers, scrolling.

`python -m benchmarks.browser` starts an engine and web tier of its own on fresh roots, drives chromium through
Playwright and prints what it saw. Needs root, the built UI, chromium and the docker CLI. Milliseconds are of the
machine and the hour.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

_INSTANCE = "bbrow"
ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("BERTH_TEST_CHROMIUM", "/usr/bin/chromium")
_STARTED = """name => new Promise(done => {
  const look = () => document.querySelector(`[data-name="${name}"] [data-state="running"]`) && done(Date.now());
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true});
  look();
})"""
_SCROLL = """() => new Promise(done => {
  const box = document.querySelector(".ctable-scroll"), gaps = [];
  let last = performance.now(), long = 0;
  new PerformanceObserver(list => { long += list.getEntries().length; }).observe({entryTypes: ["longtask"]});
  const step = now => {
    gaps.push(now - last); last = now; box.scrollTop += 60;
    if (gaps.length < 240 && box.scrollTop + box.clientHeight < box.scrollHeight) return requestAnimationFrame(step);
    setTimeout(() => done({gaps: gaps.slice(1).sort((a, b) => a - b), long}), 100);
  };
  requestAnimationFrame(step);
})"""


def _docker(run: Path, *words: str) -> str:
    environment = {**os.environ, "DOCKER_HOST": f"unix://{run}/engine.sock"}
    done = subprocess.run(["docker", *words], env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(root: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    environment = {
        **os.environ, "BERTH_DATA_ROOT": str(root / "data"), "BERTH_RUN_ROOT": str(root / "run"),
        "BERTH_WEB_BIND": f"127.0.0.1:{port}", "BERTH_BRIDGE_POOL": "10.216.0.0/16", "BERTH_LOG_LEVEL": "error",
        "BERTH_INSTANCE": _INSTANCE,
    }  # fmt: skip
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", sys.executable, "app.py", "up"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"https?://\S*setup\S*", line):
            return process, found[0]
    raise SystemExit("the product did not start")


def _sweep() -> None:
    """Remove the links and the table of the instance; its mounts went with the mount namespace."""
    for name in os.listdir("/sys/class/net"):
        if name[1:].startswith(_INSTANCE + "-"):
            subprocess.run(["ip", "link", "delete", name], check=False)
    subprocess.run(["nft", "delete", "table", "inet", f"berth_{_INSTANCE}"], check=False)


def _sign_in(context: BrowserContext, link: str) -> Page:
    page = context.new_page()
    page.goto(link)
    page.get_by_test_id("setup-name").fill("admin")
    page.get_by_test_id("setup-password").fill("correct horse battery staple")
    page.get_by_test_id("setup-password-again").fill("correct horse battery staple")
    page.get_by_test_id("setup-submit").click()
    page.get_by_test_id("containers-table").or_(page.get_by_test_id("containers-empty")).first.wait_for()
    return page


def _first_load(context: BrowserContext, url: str) -> tuple[float, int]:
    page = context.new_page()
    session: CDPSession = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    started = time.monotonic()
    page.goto(f"{url}/containers")
    page.get_by_test_id("container-row").first.wait_for()
    took = (time.monotonic() - started) * 1000
    page.wait_for_timeout(500)
    page.close()
    return took, int(sum(sizes))


def _event_to_pixel(page: Page, run: Path, turns: int) -> list[float]:
    late = []
    for turn in range(turns):
        name = f"seen{turn}"
        page.evaluate(f"void (window.seen = ({_STARTED})({name!r}))")
        _docker(run, "run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "600")
        started = _docker(run, "inspect", "-f", "{{.State.StartedAt}}", name)
        seen = page.evaluate("window.seen")
        head, _, rest = started.rstrip("Z").partition(".")
        at = time.mktime(time.strptime(head, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(f"0.{rest or 0}")
        late.append(seen - at * 1000)
        _docker(run, "rm", "-f", name)
    return late


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--containers", type=int, default=500)
    parser.add_argument("--sockets", type=int, default=50)
    parser.add_argument("--turns", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="berth-browser-") as folder, sync_playwright() as playwright:
        root = Path(folder)
        root.chmod(0o755)
        port = _free_port()
        process, link = _start(root, port)
        run = root / "run"
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
            context = browser.new_context(viewport={"width": 1360, "height": 850})
            page = _sign_in(context, link)
            for number in range(options.containers):
                _docker(run, "create", "--name", f"c{number:04}", "--network", "none", "busybox", "sleep", "600")
            loads = [_first_load(context, f"http://127.0.0.1:{port}") for _ in range(5)]
            for _ in range(options.sockets // 8):
                context.new_page().goto(f"http://127.0.0.1:{port}/volumes")
            page.bring_to_front()  # frames of a page behind others are not drawn
            page.goto(f"http://127.0.0.1:{port}/containers")
            page.get_by_test_id("container-row").first.wait_for()
            page.wait_for_timeout(1000)
            late = sorted(_event_to_pixel(page, run, options.turns))
            scroll = page.evaluate(_SCROLL)
            gaps = scroll["gaps"] or [0.0]
            print(f"containers {options.containers}, pages {len(context.pages)}")
            print(
                f"first load, cache off: {statistics.median(t for t, _ in loads):.0f} ms, {loads[0][1] / 1024:.0f} KiB"
            )
            print(f"event to pixel: p50 {late[len(late) // 2]:.0f} ms, p95 {late[int(len(late) * 0.95)]:.0f} ms")
            print(f"scrolling: frame p50 {gaps[len(gaps) // 2]:.1f} ms, p99 {gaps[int(len(gaps) * 0.99)]:.1f} ms, "
                  f"{scroll['long']} long tasks")  # fmt: skip
            browser.close()
        finally:
            left = _docker(run, "ps", "-aq").split()
            if left:
                _docker(run, "rm", "-f", *left)
            process.terminate()
            process.wait(20)
            _sweep()


if __name__ == "__main__":
    main()
