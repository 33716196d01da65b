#!/usr/bin/env python3
"""Upload of a large file over several connections: MB/s, CPU seconds per GiB and the server's growth in memory.

The bytes are no video, so what is measured ends with finalize: the job that follows fails at once, as it should.
"""

import argparse
import os
import tempfile
import threading
import time

from common import Server, machine


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", type=int, default=2 << 30, help="bytes")
    arguments.add_argument("--connections", type=int, default=4)
    options = arguments.parse_args()
    print(f"Machine: {machine()}\n")
    with tempfile.NamedTemporaryFile() as source, Server() as server:
        block = os.urandom(1 << 20)
        for _ in range(options.size // len(block)):
            source.write(block)
        source.flush()
        server.get("/healthz")
        before, cpu, largest = server.memory(), server.cpu(), 0
        done = threading.Event()

        def watch():
            nonlocal largest
            while not done.wait(0.05):
                largest = max(largest, server.memory())

        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.monotonic()
        server.upload(source.name, "--connections", str(options.connections), "--no-wait")
        seconds = time.monotonic() - started
        used = server.cpu() - cpu
        done.set()
        watcher.join()
        print(f"{options.size / 1e6 / seconds:.0f} MB/s, {used / (options.size / (1 << 30)):.2f} CPU s per GiB, "
              f"memory +{(largest - before) / 1e6:.0f} MB ({before / 1e6:.0f} to {largest / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()
