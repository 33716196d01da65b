// What the benchmarks in JavaScript share: the sources, and what they ask of the server.

import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { open } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

import { findIndex } from '../client/boxes.js';
import { inSendingOrder, putFirst } from '../client/chunks.js';
import { KINDS, openPage } from '../tests/support/browser.mjs';
import { clip, ON_DEMAND, root, run, Server, until } from '../tests/support/vidpipeline.mjs';

const SETTINGS = ['--workers', '2', '--preset', 'veryfast', '--crf', '21'];

const CHUNK = 1 << 20;
const AT_ONCE = 2; // requests, as the pages send them
const STEP = 16 << 10; // bytes of a slow request
const PATIENCE = 300_000; // ms for an answer
const OPEN_FOR = 2000; // ms that somebody has waited at the page; until then the browser is at work at its start

/** What bench/common.py or another of its modules answers to an expression, as text. */
export async function python(module, names, expression, ...words) {
  const script = `import sys; from ${module} import ${names}; print(${expression})`;
  return (await run('python3', ['-c', script, ...words], { cwd: path.join(root, 'bench') })).stdout.trim();
}

/** The film clip over and over for some minutes, or once; `closed`: with closed groups of 2 s, as the server copies it. */
export async function makeSource(folder, { closed, minutes }) {
  const source = closed ? await python('common', 'clip_2s', 'clip_2s(sys.argv[1])', folder) : clip;
  if (!minutes) return source;
  const made = path.join(folder, `${closed ? 'closed' : 'film'}-${minutes}.mp4`);
  await run('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-stream_loop', '-1', '-i', source, '-t', `${60 * minutes}`, '-map', '0:v',
    '-map', '0:a', '-c', 'copy', '-movflags', '+faststart', made]);
  await run('sync', [made]); // or its gigabytes are written to the disk beside what is measured
  return made;
}

/** Resolves to a server of its own whose workers are there. */
export async function startServer(t, options = []) {
  const server = await Server.startFor(t, { options: [...SETTINGS, ...options] });
  await until(async () => (await server.metric('vidpipeline_encoders')) === 2 + ON_DEMAND, 30_000, 'the workers');
  return server;
}

/**
 * One request whose body comes no faster than `rate` bytes a second; resolves to its answer. Not by `fetch`, which copies each
 * body: what the sender takes of the processors is missing beside it.
 */
async function post(url, bytes, rate) {
  const signal = AbortSignal.timeout(PATIENCE + Math.ceil((1000 * bytes.length) / rate));
  const request = http.request(url, { signal, method: 'POST', headers: { 'Content-Length': bytes.length } });
  request.on('error', () => {}); // also behind the answer's head; whoever waits for the answer is told
  const answered = once(request, 'response');
  answered.catch(() => {});
  if (rate !== Infinity) {
    const begun = Date.now();
    for (let at = 0; at < bytes.length; at += STEP) {
      await delay(begun + (1000 * at) / rate - Date.now());
      request.write(bytes.subarray(at, at + STEP));
    }
    await delay(begun + (1000 * bytes.length) / rate - Date.now());
    request.end();
  } else {
    request.end(bytes);
  }
  const [answer] = await answered;
  const body = await json(answer);
  if (answer.statusCode !== 200) throw new Error(`${url}: ${answer.statusCode} ${JSON.stringify(body)}`);
  return body;
}

/** An upload as the pages make it: what it takes to watch first, then the rest, and what viewers wait for before all that. */
export class Upload {
  #server;
  #file;
  #rate;
  #order;
  #arrived;

  /** Begins one; `rate`: bytes a second of all its chunks together. */
  static async begin(server, file, { title = 'video', rate = Infinity } = {}) {
    const blob = await openAsBlob(file);
    const { video_hash: hash, missing_chunks: missing } = await server.post('/videos/init',
      { title, file_size: blob.size, chunk_size: CHUNK, total_chunks: Math.ceil(blob.size / CHUNK) });
    const index = await findIndex(blob);
    const order = inSendingOrder(missing, { index, chunkSize: CHUNK, size: blob.size });
    return new Upload(server, { file, size: blob.size, rate, order, hash, index });
  }

  constructor(server, { file, size, rate, order, hash, index }) {
    this.#server = server;
    this.#file = file;
    this.#rate = rate;
    this.#order = order;
    this.hash = hash;
    this.last = Math.ceil(size / CHUNK) - 1;
    /** The chunks that it takes to know the video: the index's and the first one. */
    this.header = new Set([0]);
    for (let at = Math.floor(index[0] / CHUNK); at * CHUNK < index[1]; ++at) this.header.add(at);
    this.headerArrived = new Promise((resolve) => (this.#arrived = resolve));
  }

  async #read(index) {
    const file = await open(this.#file);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, index * CHUNK);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** Sends a chunk; resolves to those that the server wants next. */
  async sendOne(index) {
    const bytes = await this.#read(index);
    const answer = await post(`${this.#server.url}/videos/upload_chunk/${this.hash}/${index}`, bytes, this.#rate);
    this.#order = this.#order.filter((one) => one !== index);
    if (this.header.delete(index) && this.header.size === 0) this.#arrived(Date.now());
    return answer.wanted_chunks;
  }

  /** Sends so many chunks of what is missing, or all; resolves to when the last byte of them was there. */
  async send(count = Infinity) {
    const take = async () => {
      while (count-- > 0 && this.#order.length > 0) {
        const wanted = await this.sendOne(this.#order.shift());
        this.#order = putFirst(this.#order, wanted ?? []);
      }
    };
    await Promise.all(Array.from({ length: this.#rate === Infinity ? AT_ONCE : 1 }, take));
    return Date.now();
  }
}

/**
 * Resolves to a page that waits for the video, as the product's own does; `shown` resolves to when each player showed its first
 * picture, and `noErrors` rejects if one has told of an error.
 */
export async function openPlayers(context, server, hash) {
  const page = await openPage(context, `${server.url}/streaming.html?v=${hash}`);
  await delay(OPEN_FOR);
  const shown = page.evaluate((kinds) => {
    const first = (kind) => {
      const video = document.querySelector(`[data-testid=${kind}-video]`);
      return new Promise((resolve, reject) => {
        video.requestVideoFrameCallback(() => resolve(Date.now()));
        setTimeout(() => reject(new Error(`${kind} shows nothing`)), 120_000);
      });
    };
    return Promise.all(kinds.map(first));
  }, KINDS);
  const noErrors = async () => {
    const told = await Promise.all(KINDS.map((kind) => page.getByTestId(kind).getAttribute('data-errors')));
    if (told.some((count) => count !== '0')) throw new Error(`the players told errors: ${told}`);
  };
  return { page, shown, noErrors };
}

/** Does `work`, and then ends what that has asked for to be ended after it, as tests do. */
export async function within(work) {
  const ends = [];
  try {
    return await work({ after: (end) => ends.unshift(end) });
  } finally {
    for (const end of ends) await end();
  }
}

export const quantile = (values, part) => [...values].sort((a, b) => a - b)[Math.ceil(part * values.length) - 1];
export const median = (values) => quantile(values, 0.5);
export const seconds = (ms) => (ms / 1000).toFixed(2);
/** Of ms, as text in seconds: median (least to most). */
export const spread = (values) =>
  `${seconds(median(values))} (${seconds(Math.min(...values))} to ${seconds(Math.max(...values))})`;
export const machine = () => `Machine: ${os.cpus().length} cores, ${os.cpus()[0].model}, ${os.type()} ${os.release()}\n`;
