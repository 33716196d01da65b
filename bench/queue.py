#!/usr/bin/env python3
"""The durable queue, embedded and over a real Kafka broker: jobs per second, and from finalize to the first segment task.

The rate is of a backlog of 2000 jobs that nobody transcodes (bench/queue.cpp). The time is of a server that has nothing
else to do: from the moment that `finalize` is answered until an encoder has the first segment, which includes looking at
the source. Queues take turns.
"""

import argparse
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

from common import ROOT, Server, event_seconds, log_seconds, machine, spread


class Broker:
    """A Kafka broker of its own, with a data folder that goes away with it."""

    def __enter__(self):
        self.data = tempfile.mkdtemp(prefix="vidpipeline-bench-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen([ROOT / "kafka/broker.sh", str(port), self.data], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if "Kafka Server started" in line:
                self.address = f"localhost:{port}"
                return self
        raise RuntimeError("the broker did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.data)


def make_clip(folder):
    clip = pathlib.Path(folder) / "clip.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2",
                    "-c:v", "libx264", "-preset", "ultrafast", clip], check=True)
    return clip


def first_segment(server, clip, title):
    """Milliseconds from finalize to the first segment task."""
    server.upload(clip, "--title", title)
    video = next(video for video in server.get("/videos") if video["title"] == title)
    assert video["status"] == "completed", video
    queued = next(event for event in server.events(video["video_hash"]) if event["kind"] == "queued")
    task = next(line for line in server.log if re.search(rf"segment 0 of {video['video_hash']} begins", line))
    return (log_seconds(task) - event_seconds(queued)) * 1000


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--videos", type=int, default=20)
    count = arguments.parse_args().videos
    print(f"Machine: {machine()}\n")
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        rate = ROOT / "build/release/bench/queue_rate"
        rates = {name: subprocess.run([rate, *words], check=True, capture_output=True, text=True).stdout.strip()
                 for name, words in (("embedded", []), ("Kafka", [broker.address]))}
        clip = make_clip(folder)
        with Server("--log-level", "debug") as plain, \
                Server("--log-level", "debug", "--kafka", broker.address) as over_kafka:
            servers = {"embedded": plain, "Kafka": over_kafka}
            for server in servers.values():
                first_segment(server, clip, "warm-up")  # the group has settled by then
            times = {name: [] for name in servers}
            for turn in range(count):
                for name, server in servers.items():
                    times[name].append(first_segment(server, clip, f"clip {turn}"))
        print("| queue | jobs a second | ms from finalize to the first segment task |\n|---|---|---|")
        for name in times:
            print(f"| {name} | {rates[name]} | {spread(times[name])} |")


if __name__ == "__main__":
    main()
