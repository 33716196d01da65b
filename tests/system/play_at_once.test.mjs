// A video is watched while it is uploaded: what is there of it, what is not there yet, and that the end is the same as ever.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { chunkSize, fragmentsOf, shuffled, Upload } from '../support/upload.mjs';
import { digests, filesOfWhole, folderFor, makeClip, Server, until } from '../support/vidpipeline.mjs';

async function clipFor(t, seconds) {
  return makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds, size: '640x360' });
}

const options = ['--preset', 'ultrafast'];

test('a video plays from its header on, and what is waited for comes first', { timeout: 240_000 }, async (t) => {
  const bytes = await clipFor(t, 30);
  const data = await folderFor(t);
  const server = await Server.startFor(t, { data, options });
  const upload = await new Upload(server, bytes).begin();
  assert.equal((await server.video(upload.hash)).hls_url, null);
  await upload.sendHead();
  const video = await upload.playable();
  assert.equal(video.status, 'uploading');
  assert.match(await (await fetch(server.url + video.dash_url)).text(), /<MPD[^>]*mediaPresentationDuration="PT30/);

  const fragments = await fragmentsOf(server, video, '360p');
  assert.equal(fragments.length, 9);
  const first = await fetch(fragments[0]);
  assert.equal(first.status, 200);
  assert.ok((await first.arrayBuffer()).byteLength > 1000);

  // Nobody has sent the bytes of this one.
  const late = await fetch(fragments[7]);
  assert.equal(late.status, 200);
  assert.match(late.headers.get('cache-control'), /immutable/);
  const reader = late.body.getReader();
  const head = Buffer.from((await reader.read()).value);
  assert.equal(head.toString('latin1', 4, 8), 'styp');
  const wanted = await until(async () => {
    const next = Math.min(...upload.missing);
    const indexes = await upload.send(next);
    return indexes.length > 0 && indexes;
  }, 10_000, 'chunks that are wanted');
  assert.ok(wanted[0] * chunkSize > bytes.length / 2, `${wanted}`);
  for (let next = wanted; next.length > 0; ) next = await upload.send(next[0]);
  const parts = [head];
  for (let part; !(part = await reader.read()).done; ) parts.push(Buffer.from(part.value));
  const fragment = Buffer.concat(parts);
  assert.ok(fragment.length > 1000);
  const { progress } = await until(async () => {
    const now = await server.video(upload.hash);
    return now.progress.renditions.find(({ name }) => name === '360p').ready.some(([, last]) => last >= 7) && now;
  }, 10_000, 'the progress');
  assert.ok(progress.arrived.length > 1, JSON.stringify(progress.arrived));

  assert.equal((await fetch(fragments[0].replace('/0.m4s', '/99.m4s'))).status, 404);
  await upload.sendRest();
  const ended = await server.ended(upload.hash);
  assert.equal(ended.status, 'completed', ended.error);
  assert.deepEqual(Buffer.from(await (await fetch(fragments[7])).arrayBuffer()), fragment);
  await server.stop();
  assert.deepEqual(await digests(path.join(data, 'uploads', upload.hash)), await filesOfWhole(t, bytes, options));
});

test("an upload's own pictures are a rendition, and there first", { timeout: 240_000 }, async (t) => {
  const file = path.join(await folderFor(t), 'clip.mp4');
  const bytes = await makeClip(file, { seconds: 12, options: ['-b:v', '500k', '-maxrate', '500k', '-bufsize', '500k'] });
  const data = await folderFor(t);
  const server = await Server.startFor(t, { data, options });
  const upload = await new Upload(server, bytes).begin();
  await upload.sendHead();
  const video = await upload.playable();
  const [first] = await fragmentsOf(server, video, '360p');
  assert.ok((await (await fetch(first)).arrayBuffer()).byteLength > 1000);
  const { progress } = await server.video(upload.hash);
  assert.deepEqual(progress.renditions.map(({ name, copied }) => [name, copied]), [['360p', true], ['144p', false], ['audio', false]]);
  await upload.sendRest();
  const ended = await server.ended(upload.hash);
  assert.equal(ended.status, 'completed', ended.error);
  await server.stop();
  assert.deepEqual(await digests(path.join(data, 'uploads', upload.hash)), await filesOfWhole(t, bytes, options));

  const other = await folderFor(t);
  const encoding = await Server.startFor(t, { data: other, options: [...options, '--copy-source', 'off'] });
  const hash = await encoding.upload(bytes);
  await encoding.ended(hash);
  const top = 'media/360p/0.m4s';
  const made = (await digests(path.join(data, 'uploads', upload.hash)))[top];
  assert.notEqual((await digests(path.join(other, 'uploads', hash)))[top], made);
  assert.ok(made);
});

test('whatever the order of its chunks, the files are the same', { timeout: 240_000 }, async (t) => {
  const bytes = await clipFor(t, 12);
  const data = await folderFor(t);
  const server = await Server.startFor(t, { data, options });
  const upload = await new Upload(server, bytes).begin();
  await upload.sendHead();
  await upload.playable();
  await upload.sendRest(shuffled);
  const ended = await server.ended(upload.hash);
  assert.equal(ended.status, 'completed', ended.error);
  await server.stop();
  assert.deepEqual(await digests(path.join(data, 'uploads', upload.hash)), await filesOfWhole(t, bytes, options));
});

test('what a chunk has brought that is aborted leaves no trace', { timeout: 240_000 }, async (t) => {
  const bytes = await clipFor(t, 30);
  const data = await folderFor(t);
  const server = await Server.startFor(t, { data, options: [...options, '--log-level', 'debug'] });
  const upload = await new Upload(server, bytes, { size: 2 << 20 }).begin();
  await upload.sendHead();
  const fragments = await fragmentsOf(server, await upload.playable(), '360p');

  const viewers = [];
  while (upload.missing.size > 0) {
    const index = Math.min(...upload.missing);
    const spoiled = Buffer.from(bytes.subarray(index * upload.chunkSize, (index + 1) * upload.chunkSize));
    for (let at = 0; at < spoiled.length; at += 997) spoiled[at] ^= 0x55;
    const within = (30 * (index + 0.3) * upload.chunkSize) / bytes.length; // seconds
    const segment = 1 + Math.floor((within - 2) / 4);
    const abort = upload.sendNearly(index, spoiled);
    viewers.push({ segment, shown: fetch(fragments[segment]).then((answer) => answer.arrayBuffer()) });
    const begins = (line) => line.includes(`segment ${segment} of ${upload.hash} begins`);
    await until(() => server.log.some(begins), 10_000, 'a segment of a chunk that is on its way');
    await delay(1000 * Math.random()); // anywhere between reading it and having encoded it
    abort();
    await upload.send(index);
  }
  await upload.sendRest();
  const ended = await server.ended(upload.hash);
  assert.equal(ended.status, 'completed', ended.error);
  assert.ok(viewers.length > 1);
  for (const { segment, shown } of viewers)
    assert.deepEqual(await shown, await (await fetch(fragments[segment])).arrayBuffer());
  await server.stop();
  assert.deepEqual(await digests(path.join(data, 'uploads', upload.hash)), await filesOfWhole(t, bytes, options));
});

test('an upload that is cancelled leaves nothing, and who waits is told', { timeout: 120_000 }, async (t) => {
  const data = await folderFor(t);
  const server = await Server.startFor(t, { data, options });
  const upload = await new Upload(server, await clipFor(t, 30)).begin();
  await upload.sendHead();
  const fragments = await fragmentsOf(server, await upload.playable(), '360p');
  const late = await fetch(fragments[7]);
  assert.equal((await server.request('DELETE', `/videos/${upload.hash}`)).status, 204);
  await assert.rejects(late.arrayBuffer());
  assert.equal((await fetch(fragments[7])).status, 404);
  assert.ok(!existsSync(path.join(data, 'uploads', upload.hash)));
});

test('killed while it is watched and uploaded, it goes on', { timeout: 240_000 }, async (t) => {
  const bytes = await clipFor(t, 20);
  const data = await folderFor(t);
  const killed = await Server.startFor(t, { data, options });
  const first = await new Upload(killed, bytes).begin();
  await first.sendHead();
  const fragments = await fragmentsOf(killed, await first.playable(), '360p');
  await (await fetch(fragments[0])).arrayBuffer();
  const { port } = killed;
  await killed.kill();

  const server = await Server.startFor(t, { data, port, options });
  const upload = await new Upload(server, bytes).begin();
  assert.equal(upload.hash, first.hash);
  assert.ok(upload.missing.size < Math.ceil(bytes.length / chunkSize));
  assert.ok((await (await fetch(fragments[0])).arrayBuffer()).byteLength > 1000);
  await upload.sendRest();
  const ended = await server.ended(upload.hash);
  assert.equal(ended.status, 'completed', ended.error);
  await server.stop();
  assert.deepEqual(await digests(path.join(data, 'uploads', upload.hash)), await filesOfWhole(t, bytes, options));
});
