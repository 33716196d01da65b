// kill -9 at random moments while a video is uploaded and watched: the upload goes on, the video completes, and what a viewer has
// seen of it is what it is in the end.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { chunkSize, fragmentsOf, Upload } from '../support/upload.mjs';
import { digests, filesOfWhole, folderFor, makeClip, Server, soak } from '../support/vidpipeline.mjs';

const rounds = soak ? 30 : 2;
const options = ['--preset', 'ultrafast'];
const SECONDS = 20;
const CHUNKS_A_SECOND = 12;

/** What fetch throws when a connection ends, or there is none. */
const isBrokenOff = ({ cause }) => ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(cause?.code);

/** Uploads at a steady rate, over restarts of the server. */
async function uploadStubbornly(state, bytes) {
  for (;;) {
    try {
      const upload = await new Upload(state.server, bytes).begin();
      state.hash = upload.hash;
      for (const index of await upload.inSendingOrder()) {
        await upload.send(index);
        await delay(1000 / CHUNKS_A_SECOND);
      }
      await state.server.finalize(upload.hash);
      return;
    } catch (problem) {
      if (!isBrokenOff(problem)) throw problem;
      await state.restarted;
      await delay(100);
    }
  }
}

/**
 * Fetches fragments here and there for as long as the video is not complete; resolves to their digests by their addresses, and how
 * many came before the upload was whole.
 */
async function watch(state) {
  const seen = {};
  let early = 0;
  while (!state.completed) {
    await delay(50);
    try {
      const { hls_url: address, status } = state.hash ? await state.server.video(state.hash) : {};
      if (!address) continue;
      const playlist = new URL(address.replace('playlist', '360p'), state.server.url);
      const listed = (await (await fetch(playlist)).text()).split('\n').filter((line) => line.endsWith('.m4s'));
      const fragment = new URL(listed[Math.floor(Math.random() * listed.length)], playlist);
      const answer = await fetch(fragment, { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) continue;
      const digest = createHash('sha256').update(Buffer.from(await answer.arrayBuffer())).digest('hex');
      assert.equal(seen[fragment.pathname] ?? digest, digest, fragment.pathname);
      seen[fragment.pathname] = digest;
      early += status === 'uploading';
    } catch (problem) {
      if (!isBrokenOff(problem) && problem.name !== 'TimeoutError') throw problem;
    }
  }
  return { seen, early };
}

test(`killed at ${rounds} random moments of an upload that is watched`, { timeout: soak ? 3_600_000 : 300_000 }, async (t) => {
  const folder = await folderFor(t);
  const clips = [];
  for (const kind of ['mp4', 'mkv']) {
    const bytes = await makeClip(path.join(folder, `clip.${kind}`), { seconds: SECONDS });
    clips.push({ kind, bytes, expected: await filesOfWhole(t, bytes, options) });
  }
  for (let round = 0; round < rounds; ++round) {
    const { kind, bytes, expected } = clips[round % clips.length];
    const length = (bytes.length / chunkSize / CHUNKS_A_SECOND) * 1000;
    const moment = ((round + Math.random()) / rounds) * length;
    await t.test(`${kind} killed after ${Math.round(moment)} of ${Math.round(length)} ms`, async (t) => {
      const data = await folderFor(t);
      const state = { server: await Server.start({ data, options }) };
      t.after(() => state.server.stop());
      const uploaded = uploadStubbornly(state, bytes);
      const watched = watch(state);
      state.restarted = delay(moment).then(async () => {
        const { port } = state.server;
        await state.server.kill();
        state.server = await Server.start({ data, port, options });
      });
      await state.restarted;
      await uploaded;
      const ended = await state.server.ended(state.hash);
      state.completed = true;
      const { seen, early } = await watched;
      assert.equal(ended.status, 'completed', ended.error);
      const files = await digests(path.join(data, 'uploads', state.hash));
      assert.deepEqual(files, expected);
      assert.ok(early > 0);
      const listed = (await fragmentsOf(state.server, ended, '360p')).map((address) => new URL(address).pathname);
      for (const [address, digest] of Object.entries(seen)) {
        assert.ok(listed.includes(address), address);
        assert.equal(files[`media/360p/${path.posix.basename(address)}`], digest, address);
      }
    });
  }
});
