"""Counts POST requests to /count. The count is kept in a file, so that it outlives a restart."""

import html
import json
import os
import platform
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Umbrella</title>
  <style>
    :root {{ color-scheme: light dark; --accent: #b91c1c; }}
    body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }}
    h1 {{ margin-bottom: 0; }} .tag {{ color: var(--accent); margin-top: 0; }}
    output {{ display: block; font-size: 4rem; font-variant-numeric: tabular-nums; }}
    button {{ background: var(--accent); color: white; border: 0; border-radius: .4rem; padding: .4rem 1rem; }}
    footer {{ margin-top: 3rem; font-size: .85rem; opacity: .7; }}
  </style>
</head>
<body>
  <h1>Umbrella</h1>
  <p class="tag">Days without an incident.</p>
  <output id="count">{count}</output>
  <button id="add">One more day</button>
  <footer>Tenant {tenant}, app {app}, uid {uid}, Python {python}</footer>
  <script>
    document.querySelector('#add').onclick = async () => {{
      const answer = await fetch('/count', {{ method: 'POST' }});
      document.querySelector('#count').textContent = (await answer.json()).count;
    }};
  </script>
</body>
</html>
"""


class Counter:
    """A number in a file. The file is replaced whole, so a crash never leaves half of it."""

    def __init__(self, path):
        self._path = path
        self._lock = threading.Lock()
        self._count = int(path.read_text()) if path.exists() else 0

    @property
    def count(self):
        return self._count

    def add_one(self):
        with self._lock:
            unfinished = self._path.with_suffix(".new")
            unfinished.write_text(f"{self._count + 1}\n")
            unfinished.replace(self._path)
            self._count += 1
            return self._count


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counter: Counter

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/":
            facts = {key: html.escape(str(value)) for key, value in self.identity().items()}
            self.answer(200, "text/html; charset=utf-8", PAGE.format(count=self.counter.count, **facts))
        elif path == "/count":
            self.answer_json(200, {"count": self.counter.count})
        elif path == "/whoami":
            self.answer_json(200, self.identity())
        else:
            self.answer(404, "text/plain; charset=utf-8", "Not found\n")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/count":
            self.answer_json(200, {"count": self.counter.add_one()})
        else:
            self.answer(404, "text/plain; charset=utf-8", "Not found\n")

    def identity(self):
        return {
            "tenant": self.headers.get("x-tenantd-tenant", "nobody"),
            "app": self.headers.get("x-tenantd-app", "counter"),
            "uid": os.getuid(),
            "pid": os.getpid(),
            "host": self.headers.get("host"),
            "python": platform.python_version(),
        }

    def answer_json(self, status, value):
        self.answer(status, "application/json", json.dumps(value) + "\n")

    def answer(self, status, content_type, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        print(format % args, flush=True)


def main():
    # Asked to end: that is no failure, so the status is 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    data = Path(os.environ.get("TENANTD_DATA_DIR", "."))
    Handler.counter = Counter(data / "count.txt")
    port = int(os.environ.get("PORT", "8000"))
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"Listening on 127.0.0.1:{port}, the count is {Handler.counter.count}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
