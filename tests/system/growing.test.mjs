// Files that say what they have as they go are watched while they are uploaded, with manifests that grow.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { fragmentsOf, Upload } from '../support/upload.mjs';
import { digests, filesOfWhole, folderFor, makeClip, Server, until } from '../support/vidpipeline.mjs';

const KINDS = {
  mkv: [],
  ts: [],
  mp4: ['-movflags', 'frag_keyframe+empty_moov+default_base_moof'],
};

const options = ['--preset', 'ultrafast'];

async function clipFor(t, kind) {
  return makeClip(path.join(await folderFor(t), `clip.${kind}`), { seconds: 30, options: KINDS[kind] });
}

/** Resolves to the fragments once there are more than so many. */
function listed(server, video, more) {
  return until(async () => {
    const fragments = await fragmentsOf(server, video, '360p', { grows: true });
    return fragments.length > more && fragments;
  }, 30_000, `more than ${more} segments`);
}

for (const kind of Object.keys(KINDS))
  test(`a video grows while it is uploaded: ${kind}`, { timeout: 240_000 }, async (t) => {
    const bytes = await clipFor(t, kind);
    const data = await folderFor(t);
    const server = await Server.startFor(t, { data, options });
    const upload = await new Upload(server, bytes).begin();
    await upload.sendUpTo(0.5);
    const video = await upload.playable();
    assert.equal(video.status, 'uploading');
    const early = await listed(server, video, 2);
    const manifest = async () => (await fetch(server.url + video.dash_url)).text();
    assert.match(await manifest(), /type="dynamic"/);
    for (const address of [early.at(-1), early[0]]) {
      const fragment = await fetch(address);
      assert.equal(fragment.status, 200);
      assert.ok((await fragment.arrayBuffer()).byteLength > 1000);
    }
    // What has not come is in no manifest, and nothing that could be waited for.
    assert.equal((await fetch(early[0].replace('/0.m4s', '/8.m4s'))).status, 404);

    await upload.sendUpTo(0.8);
    const late = await listed(server, video, early.length);
    assert.deepEqual(late.slice(0, early.length), early);
    assert.ok((await (await fetch(late.at(-1))).arrayBuffer()).byteLength > 1000);

    await upload.sendRest();
    // Its job goes on, so that whoever watches notices nothing.
    const ended = await until(async () => {
      const now = await server.video(upload.hash);
      assert.ok(now.hls_url, JSON.stringify(now));
      return ['completed', 'failed'].includes(now.status) && now;
    }, 120_000, 'the end');
    assert.equal(ended.status, 'completed', ended.error);
    assert.equal(ended.error, null);
    assert.equal((await fragmentsOf(server, video, '360p')).length, 9);
    assert.match(await manifest(), /type="static"/);
    await server.stop();
    assert.deepEqual(await digests(path.join(data, 'uploads', upload.hash)), await filesOfWhole(t, bytes, options));
  });

test('killed while it grows, it goes on', { timeout: 240_000 }, async (t) => {
  const bytes = await clipFor(t, 'mkv');
  const data = await folderFor(t);
  const killed = await Server.startFor(t, { data, options });
  const first = await new Upload(killed, bytes).begin();
  await first.sendUpTo(0.5);
  const video = await first.playable();
  const early = await listed(killed, video, 2);
  await (await fetch(early[0])).arrayBuffer();
  const { port } = killed;
  await killed.kill();

  const server = await Server.startFor(t, { data, port, options });
  const upload = await new Upload(server, bytes).begin();
  await upload.sendUpTo(0.8);
  const late = await listed(server, video, early.length);
  assert.deepEqual(late.slice(0, early.length), early);
  await upload.sendRest();
  const ended = await server.ended(upload.hash);
  assert.equal(ended.status, 'completed', ended.error);
  await server.stop();
  assert.deepEqual(await digests(path.join(data, 'uploads', upload.hash)), await filesOfWhole(t, bytes, options));
});
