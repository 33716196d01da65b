// The film clip's whole way: every frame in every rendition, both manifests, every fragment by itself.

import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { clip, folderFor, program, run, Server } from '../support/vidpipeline.mjs';

/** The number of frames that decode in one video stream of a manifest. */
async function frames(input, stream = 0) {
  const { stdout } = await run('ffmpeg', ['-v', 'error', '-i', input, '-map', `0:v:${stream}`, '-f', 'framehash', '-']);
  return stdout.split('\n').filter((line) => /^\d/.test(line)).length;
}

test('the film clip is complete in every rendition', { timeout: 300_000 }, async (t) => {
  const data = await folderFor(t);
  const server = await Server.startFor(t, { data });
  const { stdout } = await run(program, ['upload', clip, '--server', server.url]);
  const hash = /streaming\.html\?v=([0-9a-f]{64})/.exec(stdout)[1];
  const video = await server.video(hash);
  assert.equal(video.status, 'completed');
  assert.deepEqual([video.width, video.height], [1920, 1080]);
  const folder = path.join(data, 'uploads', hash);

  await t.test('HLS names five renditions and each has 720 frames', async () => {
    const playlist = await (await fetch(server.url + video.hls_url)).text();
    const names = playlist.split('\n').filter((line) => line.endsWith('.m3u8'));
    assert.equal(names.length, 5);
    for (const name of names) {
      const input = path.join(folder, 'hls', name);
      assert.equal(await frames(input), 720, name);
    }
  });

  await t.test('DASH has the same 720 frames in each representation', async () => {
    // One at a time: FFmpeg ends all of them at the end of the first.
    const manifest = path.join(folder, 'dash/manifest.mpd');
    for (let i = 0; i < 5; i++) assert.equal(await frames(manifest, i), 720, `representation ${i}`);
  });

  await t.test('both manifests name the same files', async () => {
    const mpd = await readFile(path.join(folder, 'dash/manifest.mpd'), 'utf8');
    for (const rendition of await readdir(path.join(folder, 'media'))) {
      const name = rendition.slice(0, rendition.lastIndexOf('-'));
      const playlist = await readFile(path.join(folder, 'hls', `${name}.m3u8`), 'utf8');
      assert.ok(playlist.includes(`../media/${rendition}/0.m4s`), name);
      assert.ok(mpd.includes(`id="${rendition}"`), name);
    }
  });

  await t.test('every fragment decodes by itself', { timeout: 240_000 }, async () => {
    const alone = path.join(await folderFor(t), 'alone.mp4');
    for (const rendition of await readdir(path.join(folder, 'media'))) {
      const files = path.join(folder, 'media', rendition);
      const init = await readFile(path.join(files, 'init.mp4'));
      for (const name of await readdir(files)) {
        if (!name.endsWith('.m4s')) continue;
        await writeFile(alone, Buffer.concat([init, await readFile(path.join(files, name))]));
        const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', alone, '-f', 'null', '-']);
        assert.equal(stderr, '', `${rendition}/${name}`);
      }
    }
  });
});
