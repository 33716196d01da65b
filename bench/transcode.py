#!/usr/bin/env python3
"""CPU seconds, memory, quality and size of the film clip's whole job, against FFmpeg's command line doing the same work.

Three ways take turns, so that a slow hour of the machine hits all of them:
  ours      the server and its workers from start to end: upload, probe, all renditions, both manifests
  split     one ffmpeg command, the decoded picture split and scaled for each rendition, default threads
  cascade   the same with each rendition scaled from the one above and single-threaded encoders
Ends with a line for each limit that ours has to keep, and with status 1 where one is not kept.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from common import CLIP, CRF, PRESET, RUNGS, Server, cpu_of, machine, spread


# What ours may take of the others' CPU seconds, at most.
CPU_LIMITS = {"split": 0.95, "cascade": 1.05}
PSNR_LIMIT = 0.2  # dB below the others
MEMORY_LIMIT = 900  # MB


def judge(name, value, limit, unit=""):
    """Prints whether `value` keeps to `limit`, its maximum."""
    kept = value <= limit
    print(f"{'pass' if kept else 'FAIL'}: {name}: {value:.3f}{unit}, at most {limit:.3f}{unit}")
    return kept


def encoder_options(threads):
    options = []
    for index, (_, _, rate) in enumerate(RUNGS):
        options += [f"-maxrate:v:{index}", f"{rate * 3 // 2}k", f"-bufsize:v:{index}", f"{rate * 2}k"]
    if threads:
        options += ["-threads:v", threads]
    return ["-c:v", "libx264", "-preset", PRESET, "-crf", CRF, "-profile:v", "high", *options,
            "-g", 96, "-keyint_min", 96, "-force_key_frames", "expr:eq(mod(n,96),0)", "-pix_fmt", "yuv420p",
            "-c:a", "aac", "-b:a", "128k", "-ac", 2, "-ar", 48000]


def split_filter():
    outputs = "".join(f"[s{i}]" for i in range(len(RUNGS)))
    scales = ";".join(f"[s{i}]scale={w}:{h}[v{i}]" for i, (w, h, _) in enumerate(RUNGS))
    return f"[0:v]split={len(RUNGS)}{outputs};{scales}"


def cascade_filter():
    parts, source = [], "0:v"
    for index, (width, height, _) in enumerate(RUNGS):
        last = index + 1 == len(RUNGS)
        parts.append(f"[{source}]scale={width}:{height}" + (f"[v{index}]" if last else f",split[v{index}][c{index}]"))
        source = f"c{index}"
    return ";".join(parts)


def seconds_of(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def ffmpeg(folder, graph, threads, clip=CLIP):
    maps = [option for index in range(len(RUNGS)) for option in ("-map", f"[v{index}]")]
    return cpu_of(["ffmpeg", "-nostdin", "-y", "-i", clip, "-filter_complex", graph, *maps, "-map", "0:a",
                   *encoder_options(threads), "-seg_duration", 4, "-use_template", 1, "-use_timeline", 1,
                   "-hls_playlist", 1, "-f", "dash", folder / "manifest.mpd"])


def ours(keep):
    """The whole life of a server that transcodes the clip once with two workers."""
    with Server("--workers", 2, "--preset", PRESET, "--crf", CRF) as server:
        server.upload(CLIP)
        video = server.get("/videos")[0]
        assert video["status"] == "completed", video
        for rendition in sorted((server.data / "uploads" / video["video_hash"] / "media").iterdir()):
            joined = keep / f"{rendition.name.rpartition('-')[0]}.mp4"
            fragments = sorted(rendition.glob("*.m4s"), key=lambda path: int(path.stem))
            joined.write_bytes(b"".join(path.read_bytes() for path in [rendition / "init.mp4", *fragments]))
        return server.stop()


def psnr(distorted, width, height):
    graph = f"[0:v]settb=1/24,setpts=N[a];[1:v]scale={width}:{height},settb=1/24,setpts=N[b];[a][b]psnr"
    answer = subprocess.run(["ffmpeg", "-nostdin", "-i", distorted, "-i", CLIP, "-lavfi", graph, "-f", "null", "-"],
                            check=True, capture_output=True, text=True).stderr
    return float(re.search(r"PSNR y:([0-9.]+)", answer)[1])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=5)
    runs = arguments.parse_args().runs
    seconds = {"ours": [], "split": [], "cascade": []}
    memory = []
    print(f"Machine: {machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in ("ours", "split", "cascade"):
            (folder / name).mkdir()
        for run in range(runs):
            used, resident = ours(folder / "ours")
            seconds["ours"].append(used)
            memory.append(resident)
            seconds["split"].append(ffmpeg(folder / "split", split_filter(), None))
            seconds["cascade"].append(ffmpeg(folder / "cascade", cascade_filter(), 1))
            print(f"run {run + 1}: " + ", ".join(f"{name} {values[-1]:.1f} s" for name, values in seconds.items()),
                  file=sys.stderr)

        print("| way | CPU s, median (min to max) | ours / it |\n|---|---|---|")
        ratios = {name: statistics.median(a / b for a, b in zip(seconds["ours"], values))
                  for name, values in seconds.items()}
        for name, values in seconds.items():
            ratio = ratios[name]
            print(f"| {name} | {spread(values)} | {ratio:.3f} |")
        print(f"\nMost memory of the server with two workers: {max(memory) / 1e6:.0f} MB\n")
        verdicts = []
        print("| rendition | PSNR-Y ours | split | cascade | MB ours | split | cascade |\n|---|---|---|---|---|---|---|")
        for index, (width, height, _) in enumerate(RUNGS):
            files = [folder / "ours" / f"{height}p.mp4"]
            for name in ("split", "cascade"):
                joined = folder / name / f"{height}p.mp4"
                chunks = sorted((folder / name).glob(f"chunk-stream{index}-*.m4s"))
                init = folder / name / f"init-stream{index}.m4s"
                joined.write_bytes(b"".join(path.read_bytes() for path in [init, *chunks]))
                files.append(joined)
            quality = [psnr(file, width, height) for file in files]
            sizes = [file.stat().st_size / 1e6 for file in files]
            print(f"| {height}p | " + " | ".join(f"{value:.2f}" for value in quality + sizes) + " |")
            for other, name in enumerate(CPU_LIMITS, 1):
                verdicts.append((f"{height}p, PSNR-Y lost to {name}", quality[other] - quality[0], PSNR_LIMIT, " dB"))
                verdicts.append((f"{height}p, size beside {name}", sizes[0], sizes[other], " MB"))
        verdicts += [(f"CPU seconds beside {name}", ratios[name], limit) for name, limit in CPU_LIMITS.items()]
        verdicts.append(("memory", max(memory) / 1e6, MEMORY_LIMIT, " MB"))
        print()
        kept = [judge(*verdict) for verdict in verdicts]
        sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
