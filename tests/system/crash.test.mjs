// kill -9 at random moments, from the first chunk to the last fragment: the video completes, and its files are those of an
// undisturbed run.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { digests, folderFor, makeClip, rows, Server, soak } from '../support/vidpipeline.mjs';

const rounds = soak ? 50 : 4;

/** Uploads in small chunks, so that there is something to interrupt, and goes on over restarts of the server. */
async function uploadStubbornly(server, bytes) {
  for (;;) {
    try {
      return await server.current.upload(bytes, { chunkSize: 64 << 10 });
    } catch (problem) {
      if (!(problem instanceof TypeError)) throw problem; // what fetch throws when a connection ends
      await server.restarted;
    }
  }
}

test(`killed at ${rounds} random moments, the same files each time`, { timeout: soak ? 3_600_000 : 240_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 14 });

  const calm = await folderFor(t);
  const undisturbed = await Server.startFor(t, { data: calm });
  const begin = Date.now();
  const hash = await undisturbed.upload(bytes, { chunkSize: 64 << 10 });
  assert.equal((await undisturbed.ended(hash)).status, 'completed');
  const length = Date.now() - begin;
  await undisturbed.stop();
  const expected = await digests(path.join(calm, 'uploads', hash));
  assert.ok(Object.keys(expected).length > 10);

  for (let round = 0; round < rounds; ++round) {
    // Spread over the whole run, at random within each part of it.
    const moment = ((round + Math.random()) / rounds) * length;
    await t.test(`killed after ${Math.round(moment)} of ${length} ms`, async (t) => {
      const data = await folderFor(t);
      const server = { current: await Server.start({ data }) };
      t.after(() => server.current.stop());
      const uploaded = uploadStubbornly(server, bytes);
      server.restarted = delay(moment).then(async () => {
        const { port } = server.current;
        await server.current.kill();
        server.current = await Server.start({ data, port });
      });
      await server.restarted;
      assert.equal(await uploaded, hash);
      assert.equal((await server.current.ended(hash)).status, 'completed');
      assert.deepEqual(await digests(path.join(data, 'uploads', hash)), expected);
    });
  }
});

test('SIGTERM puts back what is in flight and ends in 10 s', { timeout: 120_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 30, size: '1280x720' });
  const data = await folderFor(t);
  const first = await Server.startFor(t, { data });
  const hash = await first.upload(bytes);
  while ((await first.video(hash)).status !== 'processing') await delay(20);
  const begin = Date.now();
  assert.equal(await first.stop(), 0);
  assert.ok(Date.now() - begin < 10_000);
  assert.ok(first.log.some((line) => line.endsWith(' ended')));
  assert.ok(!first.log.some((line) => line.includes('did not end in time')));
  assert.deepEqual(await rows(data, 'SELECT status, attempts FROM videos'), [['queued', 0]]);
  const second = await Server.startFor(t, { data });
  assert.equal((await second.ended(hash)).status, 'completed');
});

test('a second server on the same data folder is refused', async (t) => {
  const data = await folderFor(t);
  await Server.startFor(t, { data });
  await assert.rejects(Server.start({ data }), /ended with [1-9][^]*another server already works in/);
});
