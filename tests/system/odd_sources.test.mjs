// The odd sources of the media tests, uploaded in whatever order, make the same files as when each is uploaded whole.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { chunkSize, shuffled, Upload } from '../support/upload.mjs';
import { digests, folderFor, Server, until } from '../support/vidpipeline.mjs';

/** The media tests make them when they first want them. */
const CLIPS = process.env.VIDPIPELINE_CLIPS;
const LARGEST = 16 << 20;
const LATE = 0.05; // of the chunks
const AT_MOST = process.env.SOAK ? Infinity : 10;

/** Sends all chunks in any order; some of them when something has been made of the others, or nothing is for a while. */
async function sendInAnyOrder(upload, server) {
  const indexes = shuffled([...upload.missing]);
  const late = indexes.splice(0, Math.ceil(LATE * indexes.length));
  for (const index of indexes) await upload.send(index);
  await until(async () => (await server.video(upload.hash)).progress?.segments_done > 0, 1000, 'a segment').catch(() => {});
  await upload.sendRest();
  return late.length;
}

test('odd sources make the same files in whatever order they come', { timeout: 3_000_000, skip: !CLIPS && 'VIDPIPELINE_CLIPS names no folder' }, async (t) => {
  const names = (await readdir(CLIPS)).sort();
  assert.ok(names.length > 20, 'the media tests make the clips: run them first');
  const every = Math.max(1, Math.ceil(names.length / AT_MOST));
  const data = await folderFor(t);
  const server = await Server.startFor(t, { data, options: ['--preset', 'ultrafast'] });
  let completed = 0;

  /** What becomes of an upload; it is gone then. */
  const resultOf = async (hash) => {
    const { status, error } = await server.ended(hash, 300_000);
    const files = status === 'completed' ? await digests(path.join(data, 'uploads', hash)) : {};
    completed += status === 'completed' ? 1 : 0;
    assert.equal((await server.request('DELETE', `/videos/${hash}`)).status, 204);
    return { status, error, files };
  };

  for (const name of names.filter((_, i) => i % every === Math.floor(every / 2))) {
    const bytes = await readFile(path.join(CLIPS, name));
    if (bytes.length === 0 || bytes.length > LARGEST) continue;
    await t.test(name, async () => {
      const whole = await resultOf(await server.upload(bytes, { title: name }));
      const upload = await new Upload(server, bytes).begin();
      const late = await sendInAnyOrder(upload, server);
      assert.deepEqual(await resultOf(upload.hash), whole, `${late} of ${Math.ceil(bytes.length / chunkSize)} chunks late`);
    });
  }
  t.diagnostic(`${completed / 2} of them became videos`);
  assert.ok(completed > 0);
});
