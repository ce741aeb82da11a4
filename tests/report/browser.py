"""A headless Chromium by its DevTools protocol: pages, input, screenshots, and what went wrong in them."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time

import websocket


def _read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


class Browser:
    """One Chromium with a profile of its own. It must be installed: a test without it fails."""

    def __init__(self):
        program = next((found for found in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if found), None)
        if program is None:
            raise RuntimeError("no Chromium: install the package chromium (scripts/setup.sh does)")
        self._profile = tempfile.mkdtemp(prefix="dartboard-browser-")
        arguments = [program, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--disable-extensions", "--force-color-profile=srgb", "--font-render-hinting=none",
                     "--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*",
                     "--user-data-dir=" + self._profile]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # its sandbox refuses to run as root
        self._process = subprocess.Popen(arguments + ["about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = os.path.join(self._profile, "DevToolsActivePort")
        until = time.monotonic() + 60
        while _read(port_file).count("\n") != 1:
            if self._process.poll() is not None or time.monotonic() > until:
                self.close()
                raise RuntimeError(f"{program} did not start")
            time.sleep(0.02)
        port, path = _read(port_file).split("\n")
        self._socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=120, suppress_origin=True)
        self._number = 0
        self._pages = {}

    def close(self):
        if hasattr(self, "_socket"):
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method, session=None, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if answer.get("sessionId") in self._pages:
                self._pages[answer["sessionId"]].event(answer["method"], answer["params"])

    def page(self, width=1280, height=900, dark=False):
        return Page(self, width, height, dark)


class Page:
    def __init__(self, browser, width, height, dark):
        self.problems = []  # exceptions, console errors, refusals by the page's policy
        self.requests = []  # addresses that were asked for
        self._browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        browser._pages[self._session] = self
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.resize(width, height)
        self.dark(dark)

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def event(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"])[:600])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(parameters["args"])[:600])
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def dark(self, dark):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def open(self, path):
        """Opens a file and waits until its script says that it is ready; returns the seconds that took."""
        begin = time.monotonic()
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        self.wait("document.documentElement?.dataset.ready === 'true'")
        return time.monotonic() - begin

    def run(self, script):
        """The value of a JavaScript expression (or of the promise it is)."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {json.dumps(result['exceptionDetails'])[:600]}")
        return result["result"].get("value")

    def wait(self, condition, seconds=60):
        until = time.monotonic() + seconds
        while not self.run(condition):
            if time.monotonic() > until:
                raise RuntimeError(f"never true: {condition}; {self.problems}")
            time.sleep(0.02)

    def settle(self):
        """Two frames: what was asked for is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def box(self, selector):
        return self.run(f"(() => {{const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                        "return {x: b.x, y: b.y, width: b.width, height: b.height};})()")

    def show(self, selector):
        self.run(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")

    def click(self, selector):
        self.show(selector)
        box = self.box(selector)
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)
        self.settle()

    def drag(self, x0, y0, x1, y1, modifiers=0):
        self.call("Input.dispatchMouseEvent", type="mousePressed", button="left", buttons=1, clickCount=1, x=x0, y=y0, modifiers=modifiers)
        for step in (0.5, 1):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1, x=x0 + (x1 - x0) * step,
                      y=y0 + (y1 - y0) * step, modifiers=modifiers)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, x=x1, y=y1, modifiers=modifiers)
        self.settle()

    def wheel(self, x, y, delta_y, modifiers=0):
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=delta_y, modifiers=modifiers)
        self.settle()

    def key(self, key):
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settle()

    def screenshot(self, path, selector=None):
        """Of the window, or of the element, as a PNG."""
        clip = {}
        if selector:
            box = self.run(f"(() => {{const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                           "return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height, scale: 1};})()")
            clip = {"clip": box, "captureBeyondViewport": True}
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png", **clip)["data"])
        with open(path, "wb") as file:
            file.write(data)
        return len(data)

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)
