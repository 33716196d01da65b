#!/usr/bin/env python3
"""How transcoding scales with nodes: the same film by 1, 2, 4 and 8 of them, each with a fifth of a core.

A node is a `vidpipeline worker` with one slot that joins over TLS on this machine, in a CPU cgroup of its own, which is
how eight of the same strength fit on two cores. The server encodes nothing and is not held to anything. A turn is one
job with each number of workers, on a fresh data folder; figures are medians of the turns. Wants root.
  whole job   from the moment that `finalize` is answered until the video is completed
  analysis    of that, until the first segment is given out: one worker reads through the source, however many there are
  encoding    from then until the last fragment is written
  quota used  the workers' CPU time in the whole job, of all that their cgroups let them have
Ends with a line for each limit, and with status 1 where one is not kept. What is held to it is the whole job.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

from common import (CLIP, CRF, PRESET, PROGRAM, Server, cpu_seconds, event_seconds, family, log_seconds, machine,
                    wait_for)

# The kernel's own period, which containers get as well. A worker that has to wait for the server makes up for it within
# the same period; and eight bursts of a fifth fit into one of two cores however they meet.
PERIOD = 100_000  # us
QUOTA = PERIOD // 5
EFFICIENCY_LIMIT = 0.92  # of the number of workers


@dataclasses.dataclass
class Job:
    """What one job took."""

    whole: float  # seconds, as the next two
    analysis: float
    encoding: float
    server: float  # CPU seconds, as the next one
    workers: float
    segments: int
    files: str  # a digest of all fragments

    @property
    def server_milliseconds(self):
        return self.server / self.segments * 1000


def make_source(folder, seconds):
    """The film clip, small and over and over."""
    source = pathlib.Path(folder) / "film.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-stream_loop", "-1", "-i", CLIP, "-t", str(seconds),
                    "-vf", "scale=640:360", "-c:v", "libx264", "-preset", "veryfast",
                    "-c:a", "aac", "-b:a", "128k", "-ac", "2", source], check=True)
    return source


def make_certificates(folder, names):
    certificates = pathlib.Path(folder) / "certs"
    for words in [["init"], *(["issue", name] for name in names)]:
        subprocess.run([PROGRAM, "certs", *words, "--folder", certificates], check=True, stdout=subprocess.DEVNULL)
    return certificates


def free_ports():
    """The first of two adjacent ports that are free."""
    while True:
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            second.bind(("127.0.0.1", port + 1))
            return port


def limits_of_cgroups():
    """Where the CPU cgroups are, and what limits one of them, by file."""
    for _, folder, kind, options, *_ in map(str.split, open("/proc/mounts")):
        folder = pathlib.Path(folder)
        if kind == "cgroup" and "cpu" in options.split(","):
            return folder, {"cpu.cfs_period_us": PERIOD, "cpu.cfs_quota_us": QUOTA}
        if kind == "cgroup2" and "cpu" in (folder / "cgroup.controllers").read_text().split():
            (folder / "cgroup.subtree_control").write_text("+cpu")
            return folder, {"cpu.max": f"{QUOTA} {PERIOD}"}
    raise OSError("the kernel has no CPU controller mounted")


def removed(folder):
    """Whether a cgroup is gone, which it can be once all its processes are."""
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


@contextlib.contextmanager
def cpu_group(name):
    """A cgroup with a fifth of a core."""
    parent, limits = limits_of_cgroups()
    folder = parent / f"vidpipeline-bench-{os.getpid()}-{name}"
    folder.mkdir()
    try:
        for file, value in limits.items():
            (folder / file).write_text(str(value))
        yield folder
    finally:
        wait_for(lambda: removed(folder), 10, f"removing {folder}")


@contextlib.contextmanager
def worker(name, port, certificates):
    """A node; gives its process."""
    with cpu_group(name) as group:
        # It enters the group itself, so that nothing of it runs outside.
        process = subprocess.Popen(
            ["sh", "-c", 'echo $$ >"$0" && exec "$@"', group / "cgroup.procs", PROGRAM, "worker",
             "--join", f"127.0.0.1:{port}", "--name", name, "--certs", certificates, "--slots", "1",
             "--log-level", "warn"])
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def digest(folder):
    """Of all files below, by name and to the byte."""
    files = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        files.update(f"{file.relative_to(folder)} {file.stat().st_size}\n".encode())
        files.update(file.read_bytes())
    return files.hexdigest()


def measure(source, names, certificates):
    """One job, from a server that starts to one that has ended."""
    port = free_ports()
    with contextlib.ExitStack() as running:
        server = running.enter_context(
            Server("--workers", 0, "--nodes", f"127.0.0.1:{port}", "--certs", certificates, "--preset", PRESET,
                   "--crf", CRF, "--log-level", "debug"))
        workers = [running.enter_context(worker(name, port, certificates)) for name in names]

        def cpu():
            return sum(cpu_seconds(family(each.pid)) for each in workers)

        def slots():
            return [slot for node in server.get("/nodes") for slot in node["slots"]]

        wait_for(lambda: len(slots()) == len(names), 120, "the workers' joining")
        server.upload(source, "--no-wait")
        before = server.cpu(), cpu()
        video = server.get("/videos")[0]["video_hash"]
        # The server tells when it is done: to ask again and again would be at its cost.
        times = {}
        for event in server.events(video):
            times[event["kind"]] = event_seconds(event)
            if event["kind"] in ("completed", "failed"):
                break
        after = server.cpu(), cpu()
        if "completed" not in times:
            raise RuntimeError(f"the job failed: {server.get(f'/videos/{video}')['error']}")
        if server.metric("vidpipeline_encode_losses_total") or any(slot["failures"] for slot in slots()):
            raise RuntimeError("a worker was lost or failed in between")
        first = next(log_seconds(line) for line in server.log if re.search(rf"segment \d+ of {video} begins", line))
        media = server.data / "uploads" / video / "media"
        last = max(fragment.stat().st_mtime for fragment in media.rglob("*.m4s"))
        return Job(whole=times["completed"] - times["queued"], analysis=first - times["queued"], encoding=last - first,
                   server=after[0] - before[0], workers=after[1] - before[1],
                   segments=sum(slot["segments"] for slot in slots()), files=digest(media))


def plot(curves):
    """An SVG image of speed-ups, `{name: {workers: speed-up}}`, beside what is perfect and what is wanted."""
    left, top, size = 52, 20, 360
    most = max(count for curve in curves.values() for count in curve)
    steps = sorted({count for curve in curves.values() for count in curve})
    top_value = max(most, *(value for curve in curves.values() for value in curve.values())) * 1.04

    def at(count, value):
        return f"{left + size * count / top_value:.1f},{top + size * (1 - value / top_value):.1f}"

    def line(points, look):
        return f'<polyline points="{" ".join(at(*point) for point in points)}" fill="none" {look}/>'

    def text(point, words, look):
        x, y = point.split(",")
        return f'<text x="{x}" y="{y}" {look}>{words}</text>'

    parts = ['<rect width="640" height="440" fill="#fff"/>']
    for step in steps:
        parts.append(line([(step, 0), (step, top_value)], 'stroke="#e4e4e7"'))
        parts.append(line([(0, step), (top_value, step)], 'stroke="#e4e4e7"'))
        parts.append(text(at(step, 0), step, 'dy="18" text-anchor="middle"'))
        parts.append(text(at(0, step), step, 'dx="-8" dy="4" text-anchor="end"'))
    parts.append(line([(0, top_value), (0, 0), (top_value, 0)], 'stroke="#71717a"'))
    parts.append(f'<text x="{left + size / 2}" y="{top + size + 42}" text-anchor="middle">'
                 'workers, a fifth of a core each</text>')
    parts.append(f'<text transform="translate(16,{top + size / 2}) rotate(-90)" text-anchor="middle">speed-up</text>')
    straight = {"perfect": (1, 'stroke="#71717a" stroke-dasharray="2 4"'),
                f"{EFFICIENCY_LIMIT} of that": (EFFICIENCY_LIMIT, 'stroke="#dc2626" stroke-dasharray="6 4"')}
    looks = {name: look for name, (_, look) in straight.items()}
    parts += [line([(0, 0), (most, most * slope)], look) for slope, look in straight.values()]
    for (name, curve), colour in zip(curves.items(), ("#2563eb", "#f59e0b")):
        looks[name] = f'stroke="{colour}" stroke-width="2"'
        parts.append(line(sorted(curve.items()), looks[name]))
        for point in curve.items():
            x, y = at(*point).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>')
    for row, (name, look) in enumerate(looks.items()):
        y = top + 20 + 24 * row
        parts.append(f'<line x1="440" x2="476" y1="{y}" y2="{y}" {look}/><text x="486" y="{y + 4}">{name}</text>')
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 440" font-family="sans-serif" font-size="13"'
            ' fill="#27272a">\n' + "\n".join(parts) + "\n</svg>\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--workers", default="1,2,4,8", help="numbers of workers, 1 first")
    arguments.add_argument("--runs", type=int, default=1)
    arguments.add_argument("--seconds", type=int, default=600, help="of the source")
    arguments.add_argument("--plot", type=pathlib.Path, help="an SVG file to write")
    options = arguments.parse_args()
    counts = list(map(int, options.workers.split(",")))
    if counts[0] != 1:
        arguments.error("--workers: what the others are compared with is 1")
    # So that the cgroups are removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with cpu_group("trial"):
            pass
    except OSError as problem:
        print(f"Nothing is measured, for CPU cgroups can't be made here, which takes root: {problem}")
        return

    print(f"Machine: {machine()}\n")
    jobs = {count: [] for count in counts}
    with tempfile.TemporaryDirectory(prefix="vidpipeline-bench-") as folder:
        names = [f"w{number}" for number in range(1, max(counts) + 1)]
        certificates = make_certificates(folder, names)
        source = make_source(folder, options.seconds)
        for run in range(options.runs):
            for count in counts:
                jobs[count].append(measure(source, names[:count], certificates))
                print(f"run {run + 1}: {count} workers {jobs[count][-1].whole:.1f} s", file=sys.stderr)

    def median(count, value):
        return statistics.median(map(value, jobs[count]))

    def speed_up(count, value):
        """Of turn by turn, so that a slow hour of the machine hits both sides."""
        return statistics.median(value(one) / value(many) for one, many in zip(jobs[1], jobs[count]))

    def whole(job):
        return job.whole

    def encoding(job):
        return job.encoding

    print(f"{options.seconds} s of 640x360 with audio, {jobs[1][0].segments} segments; "
          f"{QUOTA / PERIOD} cores a worker\n")
    print("| workers | whole job, s | of it analysis | encoding | speed-up, whole job | encoding "
          "| server, CPU ms a segment | workers, CPU s | quota used |\n|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        used = median(count, lambda job: job.workers / (job.whole * QUOTA / PERIOD)) / count
        print(f"| {count} | {median(count, whole):.1f} | {median(count, lambda job: job.analysis):.1f} "
              f"| {median(count, encoding):.1f} | {speed_up(count, whole):.2f} | {speed_up(count, encoding):.2f} "
              f"| {median(count, lambda job: job.server_milliseconds):.1f} "
              f"| {median(count, lambda job: job.workers):.1f} | {used:.0%} |")
    print()
    if options.plot:
        options.plot.write_text(plot({name: {count: speed_up(count, value) for count in counts}
                                      for name, value in (("encoding", encoding), ("whole job", whole))}))

    kept = []
    for count in counts[1:]:
        reached = speed_up(count, whole)
        kept.append(reached >= EFFICIENCY_LIMIT * count)
        print(f"{'pass' if kept[-1] else 'FAIL'}: speed-up with {count} workers: {reached:.2f}, at least "
              f"{EFFICIENCY_LIMIT * count:.2f}")
    kept.append(len({job.files for each in jobs.values() for job in each}) == 1)
    print(f"{'pass' if kept[-1] else 'FAIL'}: the same files to the byte from all of them")
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
