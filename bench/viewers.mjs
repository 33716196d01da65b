#!/usr/bin/env node
// Viewers of a long video that is still being encoded: each seeks to a random place every 10 s, and the time counts until the
// first audio and the first video fragment from there have come. One viewer is a real player in Chromium, the others are scripts
// that ask for what a player asks for: the manifest once, then audio and video of the seek's target and of the next two.
//
//   node bench/viewers.mjs [--case NAME] [--minutes 60] [--seconds 300] [--to-the-end]
//
// The video is the film clip over and over; it is uploaded without a limit when the viewers begin. Ends with status 1 where 95%
// of the seeks of the scripts, or of the player, take longer than the case's limit.

import { spawn } from 'node:child_process';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { browserFor } from '../tests/support/browser.mjs';
import { folderFor, program, until } from '../tests/support/vidpipeline.mjs';
import { machine, makeSource, quantile, seconds, startServer, within } from './common.mjs';

const PERIOD = 10_000; // ms between a viewer's seeks
const PART = 0.95;

/** `viewers`: with the real one and, where there is a `scan`, with who does that; `limit` in ms; `rendition`: of the scripted ones. */
const CASES = {
  copy: { closed: true, viewers: 10, limit: 2000, rendition: '1080p', options: [] },
  encode: { closed: true, viewers: 3, limit: 2000, rendition: '360p', options: ['--copy-source', 'off'] },
  groups: { closed: false, viewers: 1, limit: 4000, rendition: '360p', options: [] },
  scan: { closed: true, viewers: 3, limit: 2000, rendition: '360p', options: ['--copy-source', 'off'], scan: true },
};

/** Somebody with an address and connections of their own. */
class Client {
  #agent;
  refused = 0;

  constructor(number) {
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: 6, localAddress: `127.0.0.${number}` });
  }

  /** Resolves to the body; asks again where the server has too much to do. */
  async get(url, signal) {
    for (;;) {
      const { status, body } = await this.#once(url, signal);
      if (status === 200) return body;
      if (status !== 503) throw new Error(`${url}: ${status}`);
      ++this.refused;
      await delay(1000, null, { signal });
    }
  }

  #once(url, signal) {
    return new Promise((resolve, reject) => {
      const request = http.get(url, { agent: this.#agent, signal }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => resolve({ status: answer.statusCode, body: Buffer.concat(parts) }));
        answer.on('error', reject);
      });
      request.on('error', reject);
    });
  }

  /** A media playlist as `[{url, end}]`, end in seconds. */
  async list(playlist, rendition) {
    const address = new URL(playlist.href.replace('playlist', rendition));
    const lines = (await this.get(address)).toString().split('\n');
    let end = 0;
    return lines.flatMap((line, i) => {
      if (!line.endsWith('.m4s')) return [];
      end += Number(/EXTINF:([0-9.]+)/.exec(lines[i - 1])[1]);
      return [{ url: new URL(line, address), end }];
    });
  }
}

const wasAborted = (problem) => problem.name === 'AbortError' || problem.code === 'ECONNRESET';

/** Seeks until `end`; resolves to `[{at, took}]`: when each seek was, and how long it took, in ms. */
async function script(client, playlist, rendition, end) {
  const lists = [await client.list(playlist, 'audio'), await client.list(playlist, rendition)];
  const took = [];
  await delay(Math.random() * PERIOD);
  while (Date.now() + PERIOD < end) {
    const control = new AbortController();
    const next = delay(PERIOD * (0.8 + 0.4 * Math.random())); // so that it meets all moments of the others'
    const target = Math.random() * Math.min(...lists.map((list) => list.at(-1).end));
    const begun = Date.now();
    const first = lists.map(() => PERIOD); // what has not come by the next seek took at least so long
    const loads = lists.map(async (list, kind) => {
      const at = list.findIndex((one) => one.end > target);
      for (const [i, { url }] of list.slice(at, at + 3).entries()) {
        await client.get(url, control.signal);
        if (i === 0) first[kind] = Math.min(PERIOD, Date.now() - begun);
      }
    });
    const loaded = Promise.all(loads).catch((problem) => {
      if (!wasAborted(problem)) throw problem;
    });
    await next;
    took.push({ at: begun, took: Math.max(...first) });
    control.abort();
    await loaded;
  }
  return took;
}

/** A real player: the one of the pages, alone on a page of its own. */
async function player(t, server, address, soonest, end) {
  const page = await (await browserFor(t)).newPage();
  await page.goto(`${server.url}/healthz`);
  return page.evaluate(
    async ([base, url, soonest, period, left]) => {
      const { play } = await import(`${base}/hls-player.js`);
      const video = document.createElement('video');
      video.muted = true;
      document.body.replaceChildren(video);
      const errors = [];
      const ready = new Promise((resolve) => (video.onloadeddata = resolve));
      const nothing = () => {};
      play(video, base + url, { renditions: () => video.play(), segment: nothing, listed: nothing, error: ({ text }) => errors.push(text) },
        { unfinished: true, soonest });
      const end = Date.now() + left;
      await ready;
      const took = [];
      while (Date.now() + period < end) {
        const begun = Date.now();
        const shown = new Promise((resolve) => (video.onseeked = () => resolve(Date.now() - begun)));
        video.currentTime = Math.random() * (video.duration - 10);
        const later = new Promise((resolve) => setTimeout(() => resolve(period), period));
        took.push({ at: begun, took: await Promise.race([shown, later]) });
        await later;
      }
      return { took, errors };
    },
    [server.url, address, soonest, PERIOD, end - Date.now()],
  );
}

/** One client that wants everything, six fragments at a time. */
async function scan(client, playlist, rendition, end) {
  const signal = AbortSignal.timeout(end - Date.now());
  const list = await client.list(playlist, rendition);
  let got = 0;
  const take = async () => {
    for (let one; (one = list.shift()); ++got) await client.get(one.url, signal);
  };
  await Promise.all(Array.from({ length: 6 }, () => take().catch(() => {})));
  return got;
}

async function measure(t, name, source, { span, toTheEnd }) {
  const { viewers, limit, rendition, options, scan: scans } = CASES[name];
  const server = await startServer(t, options);
  const upload = spawn(program, ['upload', source, '--server', server.url], { stdio: 'ignore' });
  t.after(() => upload.kill());
  const uploaded = new Promise((resolve) => upload.once('exit', resolve));
  const [video] = await until(async () => {
    const { body } = await server.get('/videos');
    return body[0]?.hls_url && body;
  }, 60_000, 'the manifests');
  const hash = video.video_hash;
  const playlist = new URL(video.hls_url, server.url);

  const start = Date.now();
  const end = start + span;
  const clients = Array.from({ length: viewers - (scans ? 2 : 1) }, (_, i) => new Client(i + 2));
  const soonest = video.progress.renditions.find(({ copied }) => copied)?.name ?? null;
  const real = player(t, server, video.hls_url, soonest, end);
  const scanner = new Client(100);
  const scanned = scans ? scan(scanner, playlist, rendition, end) : null;
  const scripted = (await Promise.all(clients.map((client) => script(client, playlist, rendition, end)))).flat();
  const { took: shown, errors } = await real;
  const refused = clients.reduce((sum, one) => sum + one.refused, 0);

  const ready = ({ progress }) => progress.renditions.flatMap((one) => one.ready).reduce((sum, [from, to]) => sum + to - from + 1, 0);
  const now = await server.video(hash);
  const decoded = await server.metric('vidpipeline_frames_decoded_total');
  let kept = true;
  const beyond = [];
  const row = (who, seeks) => {
    const values = seeks.map(({ took }) => took);
    const late = quantile(values, PART);
    for (const { at, took } of seeks) if (took > limit) beyond.push(`${seconds(took)} (at ${Math.round((at - start) / 1000)})`);
    kept &&= late <= limit;
    console.log(`| ${name} | ${who} | ${values.length} | ${seconds(quantile(values, 0.5))} | ${seconds(late)} `
      + `| ${seconds(Math.max(...values))} | ${seconds(limit)} |`);
  };
  console.log('| case | who | seeks | median | 95% within | most | limit |\n|---|---|---|---|---|---|---|');
  if (clients.length > 0) row(`${clients.length} scripted`, scripted);
  row('player, to the picture', shown);
  console.log(`\n${refused} requests of scripts were refused for a while; the player told ${errors.length} errors ${errors.join(' ')}`);
  if (beyond.length > 0) console.log(`beyond the limit: ${beyond.join(', ')}`);
  if (scans) console.log(`the scan got ${await scanned} fragments and was refused ${scanner.refused} times`);
  if (now.status !== 'completed')
    console.log(`${ready(now)} fragments were there by then, ${decoded} frames had been decoded`);
  if (toTheEnd) {
    const left = Date.now();
    await uploaded;
    const ended = await server.ended(hash, 7_200_000);
    const frames = await server.metric('vidpipeline_frames_decoded_total');
    console.log(`${ended.status} ${seconds(Date.now() - left)} s after the viewers had left; ${frames} frames decoded`);
  }
  console.log();
  return kept;
}

async function main() {
  const { values } = parseArgs({
    options: {
      case: { type: 'string', multiple: true, default: Object.keys(CASES) },
      minutes: { type: 'string', default: '60' },
      seconds: { type: 'string', default: '300' },
      'to-the-end': { type: 'boolean', default: false },
    },
  });
  console.log(machine());
  const options = { span: 1000 * Number(values.seconds), toTheEnd: values['to-the-end'] };
  await within(async (t) => {
    const folder = await folderFor(t);
    const made = {};
    for (const name of values.case) {
      const { closed } = CASES[name];
      made[closed] ??= await makeSource(folder, { closed, minutes: Number(values.minutes) });
      const kept = await within((t) => measure(t, name, made[closed], options));
      if (!kept) process.exitCode = 1;
    }
  });
}

await main();
