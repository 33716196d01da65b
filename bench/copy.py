#!/usr/bin/env python3
"""CPU seconds of the job of a clip whose own pictures can be its largest rendition (groups of 2 s, 6 Mb/s), in turns with
one ffmpeg command that makes the same ladder of it. Also looks whether every copied frame's bytes are the source's.

Ends with status 1 where ours takes more than half, or a byte differs.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile

from common import CRF, PRESET, Server, clip_2s, machine, spread
from transcode import ffmpeg, judge, split_filter

LIMIT = 0.5  # of the other's CPU seconds


def frames(file):
    """A digest of each frame as it is stored, in decoding order."""
    answer = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", file, "-map", "0:v", "-c", "copy", "-f", "framehash",
                             "-hash", "md5", "-"], check=True, capture_output=True, text=True).stdout
    return [line.split(",")[-1].strip() for line in answer.splitlines() if not line.startswith("#")]


def ours(clip, copied):
    with Server("--workers", 2, "--preset", PRESET, "--crf", CRF) as server:
        server.upload(clip)
        video = server.get("/videos")[0]
        assert video["status"] == "completed", video
        media = server.data / "uploads" / video["video_hash"] / "media"
        top = next(media.glob("1080p-*"))
        fragments = sorted(top.glob("*.m4s"), key=lambda path: int(path.stem))
        copied.write_bytes(b"".join(path.read_bytes() for path in [top / "init.mp4", *fragments]))
        return server.stop()[0]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=5)
    runs = arguments.parse_args().runs
    print(f"Machine: {machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        clip = clip_2s(folder)
        copied = folder / "copied.mp4"
        (folder / "split").mkdir()
        mine, others = [], []
        for _ in range(runs):
            mine.append(ours(clip, copied))
            others.append(ffmpeg(folder / "split", split_filter(), None, clip))
        ratio = statistics.median(a / b for a, b in zip(mine, others))
        print("| way | CPU s, median (min to max) | ours / it |\n|---|---|---|")
        print(f"| ours, the largest rendition copied | {spread(mine)} | |")
        print(f"| split | {spread(others)} | {ratio:.3f} |\n")
        same = frames(copied) == frames(clip)
        print(f"{'pass' if same else 'FAIL'}: the copied frames are the source's, byte for byte")
        sys.exit(0 if judge("CPU seconds beside split", ratio, LIMIT) and same else 1)


if __name__ == "__main__":
    main()
