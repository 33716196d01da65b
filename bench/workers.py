#!/usr/bin/env python3
"""What it costs that encoders are processes of their own: CPU seconds of the film clip's job, with two workers and with
two encoders inside the server, in turns. Both begin with the clip uploaded and queued, and end when it is completed.

Ends with status 1 where the limit is not kept.
"""

import argparse
import pathlib
import shutil
import statistics
import sys
import tempfile

from common import CLIP, CRF, PRESET, ROOT, Server, cpu_of, machine, spread

IN_PROCESS = ROOT / "build/release/bench/in_process"
LIMIT = 1.03


def queue(folder):
    """A data folder with the clip in its queue."""
    with Server("--workers", 0) as server:
        server.upload(CLIP, "--no-wait")
        server.stop(keep=folder)


def by_workers(queued):
    with Server("--workers", 2, "--preset", PRESET, "--crf", CRF, data=queued) as server:
        video = server.get("/videos")[0]["video_hash"]
        ended = next(event["kind"] for event in server.events(video) if event["kind"] in ("completed", "failed"))
        assert ended == "completed", server.get(f"/videos/{video}")
        return server.stop()[0]


def in_process(queued, folder):
    shutil.copytree(queued, folder)
    used = cpu_of([IN_PROCESS, folder, 2, PRESET, CRF])
    assert list(folder.glob("uploads/*/media/*/*.m4s")), "nothing was made"
    shutil.rmtree(folder)
    return used


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=5)
    workers, encoders = [], []
    with tempfile.TemporaryDirectory(prefix="vidpipeline-bench-") as folder:
        folder = pathlib.Path(folder)
        queue(folder / "queued")
        for run in range(arguments.parse_args().runs):
            workers.append(by_workers(folder / "queued"))
            encoders.append(in_process(folder / "queued", folder / "mine"))
            print(f"run {run + 1}: workers {workers[-1]:.1f} s, in the process {encoders[-1]:.1f} s", file=sys.stderr)
    ratio = statistics.median(a / b for a, b in zip(workers, encoders))
    print(f"Machine: {machine()}\n\n| encoders | CPU s, median (min to max) |\n|---|---|")
    print(f"| two workers | {spread(workers)} |\n| two in the server's process | {spread(encoders)} |\n")
    print(f"{'pass' if ratio <= LIMIT else 'FAIL'}: workers beside encoders in the process: {ratio:.3f}, at most {LIMIT}")
    sys.exit(0 if ratio <= LIMIT else 1)


if __name__ == "__main__":
    main()
