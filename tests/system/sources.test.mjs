// Sources that are no video, or dangerous ones: a clear error within 5 s each, and a server that goes on.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { folderFor, makeClip, run, Server } from '../support/vidpipeline.mjs';

const texts = {
  'plain text': 'This is no video at all.\n'.repeat(100),
  'HLS playlist': '#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n',
  'DASH manifest': '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT10S"><Period><AdaptationSet><Representation id="1" bandwidth="1"><BaseURL>file:///etc/passwd</BaseURL></Representation></AdaptationSet></Period></MPD>\n',
  'concat script': "ffconcat version 1.0\nfile '/etc/passwd'\n",
  'SDP': 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n',
};

test('bad sources end as failed with a reason, and good ones still work', { timeout: 120_000 }, async (t) => {
  const folder = await folderFor(t);
  const server = await Server.startFor(t);
  const good = await makeClip(path.join(folder, 'good.mp4'), { seconds: 4, size: '320x180' });
  const sources = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]));
  sources['truncated MP4'] = good.subarray(0, good.length / 2);
  const fast = path.join(folder, 'fast.mp4');
  await run('ffmpeg', ['-v', 'error', '-i', path.join(folder, 'good.mp4'), '-c', 'copy', '-movflags', 'faststart', fast]);
  const moovFirst = await readFile(fast);
  sources['MP4 whose index goes beyond its end'] = moovFirst.subarray(0, Math.floor(moovFirst.length * 0.6));
  const encrypted = path.join(folder, 'encrypted.mp4');
  await run('ffmpeg', ['-v', 'error', '-i', path.join(folder, 'good.mp4'), '-c', 'copy', '-encryption_scheme', 'cenc-aes-ctr',
    '-encryption_key', '76a6c65c5ea762046bd749a2e632ccbb', '-encryption_kid', 'a7e61c373e219033c21091fa607bf3b8', encrypted]);
  sources['encrypted MP4'] = await readFile(encrypted);

  for (const [name, bytes] of Object.entries(sources)) {
    await t.test(name, async () => {
      const begin = Date.now();
      const video = await server.ended(await server.upload(bytes, { title: name }), 10_000);
      assert.equal(video.status, 'failed');
      assert.ok(video.error.length > 10, video.error);
      assert.doesNotMatch(video.error, /passwd|root:/);
      assert.ok(Date.now() - begin < 5000, `${Date.now() - begin} ms`);
      t.diagnostic(`${name}: ${video.error}`);
    });
  }

  await t.test('a transport stream and a Matroska file play as far as they go', async () => {
    for (const extension of ['ts', 'mkv']) {
      const whole = path.join(folder, `whole.${extension}`);
      await run('ffmpeg', ['-v', 'error', '-i', path.join(folder, 'good.mp4'), '-c', 'copy', whole]);
      const bytes = await readFile(whole);
      const video = await server.ended(await server.upload(bytes.subarray(0, bytes.length * 0.7), { title: extension }));
      assert.equal(video.status, 'completed', video.error);
      assert.ok(video.duration > 1 && video.duration < 4);
    }
  });

  await t.test('a failed video can be started over', async () => {
    const hash = await server.upload(Buffer.from(texts['plain text']), { title: 'again' });
    assert.equal((await server.ended(hash)).status, 'failed');
    assert.equal((await server.request('POST', `/videos/${hash}/retry`)).status, 200);
    assert.equal((await server.ended(hash)).status, 'failed');
  });

  await t.test('the server still takes a good one', async () => {
    assert.equal((await server.ended(await server.upload(good, { title: 'good' }))).status, 'completed');
  });
});
