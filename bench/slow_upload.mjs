#!/usr/bin/env node
// The film clip, whose upload is held to 1 MB/s, in both players at 360 lines: when they show the first picture, when that
// rendition is there after the last byte, and, with only its index and its head there, a seek to 25 s from the arrival of the
// bytes that it needs. Chromium and the encoders share the machine.
//
//   node bench/slow_upload.mjs [--runs 3]
//
// Ends with status 1 where a median is beyond its limit, or where a player told of an error.

import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { browserFor, KINDS } from '../tests/support/browser.mjs';
import { clip, until } from '../tests/support/vidpipeline.mjs';
import { machine, median, openPlayers, seconds, spread, startServer, Upload, within } from './common.mjs';

const RATE = 1e6; // bytes a second
const SOUGHT = 25; // seconds
const RENDITION = '360p';
const LIMITS = {
  'first picture, from the first byte sent': 4000,
  'the rendition whole, from the last byte': 2000,
  'picture of a seek, from its last byte': 2500,
};

async function begin(t) {
  const server = await startServer(t);
  const upload = await Upload.begin(server, clip, { rate: RATE });
  const players = await openPlayers(await browserFor(t), server, upload.hash);
  for (const kind of KINDS) {
    const choice = players.page.getByTestId(kind).locator(`input[data-rendition="${RENDITION}"]`);
    choice.check({ timeout: 0 }).catch(() => {}); // as soon as it is there
  }
  return { server, upload, ...players };
}

/** Resolves to ms: until the first picture of both, and until the rendition was whole. */
async function toTheEnd() {
  return within(async (t) => {
    const { server, upload, page, shown, noErrors } = await begin(t);
    const begun = Date.now();
    const sent = upload.send();
    const first = Math.max(...(await shown)) - begun;
    const last = await sent;
    await server.finalize(upload.hash);
    const isWhole = ({ name, done, total }) => ![RENDITION, 'audio'].includes(name) || (total > 0 && done === total);
    await until(async () => (await server.video(upload.hash)).progress.renditions.every(isWhole), 120_000, RENDITION);
    const whole = Date.now() - last;
    await until(() => page.evaluate(() => [...document.querySelectorAll('video')].every(({ ended }) => ended)), 180_000, 'their ends');
    await noErrors();
    return [first, whole];
  });
}

/** Resolves to ms: from the last byte that the seek needs to its picture in both. */
async function seek() {
  return within(async (t) => {
    const { upload, page, shown, noErrors } = await begin(t);
    await upload.send(upload.header.size + 1); // the index, and 2 MiB
    await shown;
    const sought = page.evaluate(({ kinds, at }) => {
      const all = kinds.map((kind) => document.querySelector(`[data-testid=${kind}-video]`)).map(
        (video) => new Promise((resolve, reject) => {
          video.addEventListener('seeked', () => resolve(Date.now()));
          setTimeout(() => reject(new Error('a seek does not end')), 120_000);
        }));
      const place = document.querySelector('[data-testid=seek-both]');
      place.value = at;
      place.dispatchEvent(new Event('input'));
      place.dispatchEvent(new Event('change'));
      return Promise.all(all);
    }, { kinds: KINDS, at: SOUGHT });
    await delay(500); // until the players have asked
    const wanted = await upload.sendOne(upload.last);
    if (!wanted?.length) throw new Error('the server wants nothing');
    // The target's chunks are in a row. What was asked for before the seek comes behind.
    for (let left = wanted, index = wanted[0]; left.includes(index); ++index) left = await upload.sendOne(index);
    const there = Date.now();
    const took = Math.max(...(await sought)) - there;
    await noErrors();
    return [took];
  });
}

async function main() {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' } } });
  console.log(machine());
  const rows = [];
  for (let run = 0; run < Number(values.runs); ++run) rows.push([...(await toTheEnd()), ...(await seek())]);
  console.log('| the clip at 1 MB/s, both players at 360p | seconds, median (least to most) | limit |\n|---|---|---|');
  for (const [i, [what, limit]] of Object.entries(LIMITS).entries()) {
    const all = rows.map((row) => row[i]);
    if (median(all) > limit) process.exitCode = 1;
    console.log(`| ${what} | ${spread(all)} | ${seconds(limit)} |`);
  }
}

await main();
