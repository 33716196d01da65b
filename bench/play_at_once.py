#!/usr/bin/env python3
"""A video that is watched while it is uploaded, with no limit on the upload: from the arrival of its header (the index
and the first MiB) to the first fragments that a player asks for, and from the last byte to `completed`; in turns with one
FFmpeg command that begins when the file is there, as a server without this would.

What a browser takes to show a picture of the fragments is not in it.
"""

import argparse
import http.client
import json
import pathlib
import re
import tempfile
import time
import urllib.parse
import urllib.request

from common import CLIP, CRF, ON_DEMAND, PRESET, Server, event_seconds, machine, spread, wait_for
from transcode import ffmpeg, split_filter

CHUNK = 1 << 20


def boxes(data):
    """The boxes at the top level: type, begin, end."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        yield data[at + 4:at + 8], at, at + size
        at += size


class Upload:
    def __init__(self, server, data):
        self.data = data
        self.connection = http.client.HTTPConnection(urllib.parse.urlparse(server.url).netloc)
        self.total = (len(data) + CHUNK - 1) // CHUNK
        begun = self.post("/videos/init", json.dumps({"title": "clip", "file_size": len(data), "chunk_size": CHUNK,
                                                      "total_chunks": self.total}), "application/json")
        self.video = begun["video_hash"]
        self.sent = set()

    def post(self, path, body=None, kind="application/octet-stream"):
        self.connection.request("POST", path, body, {"Content-Type": kind} if body else {})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)

    def send(self, begin, end):
        for index in range(begin // CHUNK, (end + CHUNK - 1) // CHUNK):
            if index not in self.sent:
                self.post(f"/videos/upload_chunk/{self.video}/{index}", self.data[index * CHUNK:(index + 1) * CHUNK])
                self.sent.add(index)


def fetch(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def first_fragments(server, video):
    """What a player begins with: playlists, init segments, and the first fragment of a rendition and of the sound."""
    wait_for(lambda: server.get(f"/videos/{video}")["hls_url"], 60, "the manifests")
    playlist = server.url + server.get(f"/videos/{video}")["hls_url"]
    fetch(playlist)
    for name in ("360p", "audio"):
        address = playlist.replace("playlist", name)
        text = fetch(address).decode()
        fetch(urllib.parse.urljoin(address, re.search(r'URI="(.*?)"', text)[1]))
        assert len(fetch(urllib.parse.urljoin(address, re.search(r"^\S+\.m4s$", text, re.MULTILINE)[0]))) > 1000


def ours(data):
    index = next((begin, end) for kind, begin, end in boxes(data) if kind == b"moov")
    with Server("--workers", 2, "--preset", PRESET, "--crf", CRF) as server:
        wait_for(lambda: server.metric("vidpipeline_encoders") == 2 + ON_DEMAND, 30, "the workers")
        upload = Upload(server, data)
        upload.send(*index)
        upload.send(0, 1 << 20)
        begin = time.monotonic()
        first_fragments(server, upload.video)
        first = time.monotonic() - begin
        upload.send(0, len(data))
        last_byte = time.time()
        upload.post(f"/videos/finalize/{upload.video}")
        completed = next(event for event in server.events(upload.video) if event["kind"] in ("completed", "failed"))
        assert completed["kind"] == "completed", completed
        return first, event_seconds(completed) - last_byte


def peer(folder):
    begin = time.monotonic()
    ffmpeg(folder, split_filter(), 0)
    return time.monotonic() - begin


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=5)
    options = arguments.parse_args()
    print(f"Machine: {machine()}\n")
    data = CLIP.read_bytes()
    firsts, completions, whole = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.runs):
            first, completion = ours(data)
            firsts.append(first)
            completions.append(completion)
            whole.append(peer(pathlib.Path(folder)))
    print("| | seconds, median (min to max) |\n|---|---|")
    print(f"| header there to the first fragments | {spread(firsts)} |")
    print(f"| last byte to completed | {spread(completions)} |")
    print(f"| FFmpeg after the upload, to its end | {spread(whole)} |")


if __name__ == "__main__":
    main()
