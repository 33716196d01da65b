#!/usr/bin/env python3
"""Fragments served: requests per second and CPU per request against nginx, the same files, with wrk, in turns."""

import argparse
import pathlib
import re
import statistics
import subprocess
import tempfile

from common import CLIP, Server, cpu_seconds, family, machine, spread, wait_for

NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; types {{ video/iso.segment m4s; }}
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; location /media/ {{ alias {data}/; }} }}
}}
"""


def load(url, seconds):
    answer = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", url], check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in answer and "Socket errors" not in answer, answer
    return int(re.search(r"(\d+) requests in", answer)[1]), float(re.search(r"Requests/sec:\s+([0-9.]+)", answer)[1])


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=5)
    options = arguments.parse_args()
    print(f"Machine: {machine()}\n")
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        server.upload(CLIP)
        video = server.get("/videos")[0]["video_hash"]
        media = server.data / "uploads" / video / "media"
        port = int(server.url.rpartition(":")[2]) + 1
        configuration = pathlib.Path(folder) / "nginx.conf"
        configuration.write_text(NGINX.format(folder=folder, port=port, data=server.data))
        subprocess.run(["chmod", "-R", "a+rX", server.data], check=True)
        nginx = subprocess.Popen(["nginx", "-c", configuration], stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: len(family(nginx.pid)) == 3, 10, "starting nginx")
            print("| fragment | server | requests/s, median (min to max) | CPU us per request |\n|---|---|---|---|")
            for name in ("360p", "1080p"):
                fragment = next(media.glob(f"{name}-*")) / "2.m4s"
                path = f"/media/{fragment.relative_to(server.data)}"
                sides = {"vidpipeline": (server.url + path, lambda: [server.process.pid]),
                         "nginx": (f"http://127.0.0.1:{port}{path}", lambda: family(nginx.pid))}
                rates, costs = {side: [] for side in sides}, {side: [] for side in sides}
                for _ in range(options.runs):
                    for side, (url, pids) in sides.items():
                        before = cpu_seconds(pids())
                        count, rate = load(url, options.seconds)
                        rates[side].append(rate)
                        costs[side].append((cpu_seconds(pids()) - before) / count * 1e6)
                for side in sides:
                    print(f"| {name}, {fragment.stat().st_size / 1e3:.0f} kB | {side} | {spread(rates[side])} "
                          f"| {statistics.median(costs[side]):.1f} |")
        finally:
            nginx.terminate()
            nginx.wait()


if __name__ == "__main__":
    main()
