"""A headless Chromium spoken to through a pipe (DevTools protocol), with its network switched off."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class Chromium:
    """One browser with one tab. Every request and every line of its console is kept."""

    def __init__(self, profile: Path) -> None:
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
        quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")

        def descriptors() -> None:  # the browser reads from 3 and writes to 4
            os.dup2(to_read, 103)
            os.dup2(from_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self._process = subprocess.Popen(
            ["chromium", *options, *quiet, "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            preexec_fn=descriptors,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        self._to, self._from = to_write, from_read
        self._buffer, self._number, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.console: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send(
            "Network.emulateNetworkConditions",
            offline=True,
            latency=0,
            downloadThroughput=0,
            uploadThroughput=0,
        )

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        number = self._number
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> float:
        """Open a file and wait until it is loaded; the seconds that took."""
        self.requests.clear()
        self.console.clear()
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        begun = time.monotonic()
        self.send("Page.navigate", url=page.as_uri())
        while self.run("document.readyState") != "complete":
            time.sleep(0.02)
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.monotonic() - begun

    def run(self, script: str) -> Any:
        """The value of an expression on the page; a promise is awaited."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.send(
                *("Input.dispatchKeyEvent",),
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                text=text if kind == "keyDown" else "",
            )

    def screenshot(self, to: Path, *, whole: bool = True) -> None:
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        to.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self, to: Path) -> None:
        answer = self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        to.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._to)
        os.close(self._from)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], 60)
            assert ready, "Chromium did not answer within a minute"
            piece = os.read(self._from, 1 << 20)
            assert piece, "Chromium went away"
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.consoleAPICalled":
                self.console.append(" ".join(str(item.get("value", "")) for item in params["args"]))
            case "Runtime.exceptionThrown":
                self.console.append(params["exceptionDetails"]["text"])
            case "Log.entryAdded":
                self.console.append(params["entry"]["text"])
        return message


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser for the tests of one file; scripts/browser.sh installs what is missing, if it may."""
    done = subprocess.run([ROOT / "scripts" / "browser.sh"], capture_output=True, text=True, check=False)
    if shutil.which("chromium") is None:
        pytest.skip(f"no Chromium here, and it could not be installed: {done.stderr[-300:]}")
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    path = ROOT / ".browser" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.skip("axe-core is not here: scripts/browser.sh installs it with npm")
    return path.read_text(encoding="utf-8")
