"""A real browser without a network: Chromium, driven through its debugging pipe.

Needs no library: messages are JSON, ended by a zero byte, on two file descriptors.
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe", "--window-size=1280,1000", "--force-device-scale-factor=1",
)  # fmt: skip
LONGEST_WAIT = 60


def find_browser():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page at a time; keeps what it asked for and what it complained about."""

    def __init__(self, program, profile):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def place_pipes():
            """The browser reads from 3 and writes to 4."""
            read, write = os.dup(to_browser), os.dup(from_browser)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}"],
            preexec_fn=place_pipes,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._ids, self._left, self._session = itertools.count(1), b"", None
        self.requests, self.complaints, self._loaded = [], [], ""
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._send(f"{domain}.enable")
        self._send("Page.setLifecycleEventsEnabled", enabled=True)

    def close(self):
        """End the browser."""
        self._process.kill()  # there is nothing to lose
        self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def open(self, path):
        """Open a file, and wait until its viewers are ready."""
        self.requests.clear()
        self.complaints.clear()
        wanted = self._send("Page.navigate", url=Path(path).resolve().as_uri())["loaderId"]
        while self._loaded != wanted:
            self._take_in(self._receive())
        self.wait_for("[...document.querySelectorAll('.viewer')].every((v) => v.dataset.ready)")

    def wait_for(self, condition):
        """Wait until an expression is true."""
        end = time.monotonic() + LONGEST_WAIT
        while not self.run(condition):
            assert time.monotonic() < end, f"{condition} did not come true; {self.complaints}"
            time.sleep(0.05)

    def run(self, expression):
        """The value of a JavaScript expression."""
        answer = self._send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def mouse(self, kind, place, **options):
        """Move the mouse ("mouseMoved"), or press or release its button, at a place in pixels."""
        x, y = place
        self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **options)

    def drag(self, start, end):
        """Press the mouse, move it, and release it; a click where both places are one."""
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self.mouse("mouseMoved", start)
        self.mouse("mousePressed", start, **held)
        self.mouse("mouseMoved", end, **held)
        self.mouse("mouseReleased", end, button="left", clickCount=1)

    def press(self, key, modifiers=0):
        """Press a key; modifiers 8 is Shift."""
        for kind in ("keyDown", "keyUp"):
            self._send("Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers)

    def print_pdf(self):
        """The page as PDF."""
        return base64.b64decode(self._send("Page.printToPDF")["data"])

    def _send(self, method, **params):
        """Send a command; take in events until its answer comes."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._take_in(answer)

    def _receive(self):
        """Read one message."""
        while b"\0" not in self._left:
            assert select.select([self._in], [], [], LONGEST_WAIT)[0], "the browser is silent"
            piece = os.read(self._in, 2**20)
            assert piece, "the browser ended"
            self._left += piece
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)

    def _take_in(self, event):
        """Keep requests, complaints, and which document was loaded last."""
        method, params = event.get("method"), event.get("params", {})
        if method == "Page.lifecycleEvent" and params["name"] == "load":
            self._loaded = params["loaderId"]
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(str(params["args"]))
