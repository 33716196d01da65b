#!/usr/bin/env node
// A video that is watched while it is uploaded, with no limit on the upload: from the arrival of its header (the index and the
// first MiB) to the first picture in both players, which play side by side in Chromium; and from the last byte to `completed`,
// in turns with one FFmpeg command that begins when the file is there, as a server without this would.
//
//   node bench/play_at_once.mjs [--case NAME] [--runs 3] [--minutes 60]
//
// The cases: the film clip, which is encoded, and one with closed groups of 2 s, whose pictures are copied; each once and as
// a long video (`--minutes`), which is not waited for to its end; and each again while both workers are busy with another one.
// The page is open before, as that of somebody who waits. Ends with status 1 where the median of the first pictures is beyond
// the case's limit.

import { parseArgs } from 'node:util';

import { browserFor } from '../tests/support/browser.mjs';
import { folderFor, until } from '../tests/support/vidpipeline.mjs';
import { machine, makeSource, median, openPlayers, python, seconds, spread, startServer, Upload, within } from './common.mjs';

const CASES = Object.fromEntries(
  [false, true].flatMap((busy) =>
    [false, true].flatMap((long) =>
      [false, true].map((closed) => [
        `${closed ? 'copied' : 'encoded'}${long ? ', long' : ''}${busy ? ', busy' : ''}`,
        { closed, long, busy, limit: closed ? 500 : 1000 },
      ]),
    ),
  ),
);

/** A server with another video that its workers are busy with, or with nothing to do. */
async function serve(t, other) {
  const server = await startServer(t);
  if (other) {
    const upload = await Upload.begin(server, other, { title: 'other' });
    await upload.send();
    await server.finalize(upload.hash);
    await until(async () => (await server.video(upload.hash)).progress.segments_done >= 2, 60_000, 'the other video');
  }
  return server;
}

/** Resolves to the ms from the header's arrival to the first picture of each player. */
async function firstPictures(source, other) {
  return within(async (t) => {
    const server = await serve(t, other);
    const context = await browserFor(t);
    const upload = await Upload.begin(server, source);
    const { shown, noErrors } = await openPlayers(context, server, upload.hash);
    const [header, at] = await Promise.all([upload.headerArrived, shown, upload.send()]);
    const [hls, dash] = at.map((one) => one - header);
    await noErrors();
    return { hls, dash };
  });
}

/** Resolves to the ms from the last byte to `completed`, while nobody watches. */
async function completion(source) {
  return within(async (t) => {
    const server = await serve(t);
    const upload = await Upload.begin(server, source);
    const last = await upload.send();
    const { events } = await server.follow(t, { target: `/videos/${upload.hash}/events`, lastId: 0 });
    await server.finalize(upload.hash);
    const ended = await until(() => events.find(({ kind }) => ['completed', 'failed'].includes(kind)), 600_000, 'the end');
    if (ended.kind !== 'completed') throw new Error(JSON.stringify(ended));
    return Date.parse(ended.data.time) - last;
  });
}

/** One FFmpeg command that makes the same of a file; resolves to ms. */
async function peer(source) {
  return within(async (t) => {
    const took = await python('transcode', 'pathlib, seconds_of, ffmpeg, split_filter',
      'seconds_of(lambda: ffmpeg(pathlib.Path(sys.argv[1]), split_filter(), 0, sys.argv[2]))', await folderFor(t), source);
    return 1000 * Number(took);
  });
}

async function main() {
  const { values } = parseArgs({
    options: {
      case: { type: 'string', multiple: true, default: Object.keys(CASES) },
      runs: { type: 'string', default: '3' },
      minutes: { type: 'string', default: '60' },
    },
  });
  const runs = Array.from({ length: Number(values.runs) });
  console.log(machine());
  await within(async (t) => {
    const folder = await folderFor(t);
    const other = await makeSource(folder, { closed: false, minutes: 10 });
    const made = {};
    console.log('Seconds, median (least to most):\n');
    console.log('| video | header to HLS picture | to DASH picture | limit | last byte to completed | FFmpeg after the upload |');
    console.log('|---|---|---|---|---|---|');
    for (const name of values.case) {
      const { closed, long, busy, limit } = CASES[name];
      const source = (made[`${closed} ${long}`] ??= await makeSource(folder, { closed, minutes: long && Number(values.minutes) }));
      const firsts = [];
      const ours = [];
      const theirs = [];
      for (const _ of runs) {
        firsts.push(await firstPictures(source, busy ? other : null));
        if (long || busy) continue;
        ours.push(await completion(source));
        theirs.push(await peer(source));
      }
      const first = ['hls', 'dash'].map((kind) => firsts.map((one) => one[kind]));
      if (first.some((all) => median(all) > limit)) process.exitCode = 1;
      const wholes = [ours, theirs].map((all) => (all.length > 0 ? spread(all) : ''));
      console.log(`| ${[name, ...first.map(spread), seconds(limit), ...wholes].join(' | ')} |`);
    }
  });
}

await main();
