// The program as a client and how it is configured, from outside: what it prints and the status it ends with.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

import { folderFor, makeClip, program, Server } from '../support/vidpipeline.mjs';

/** Runs `vidpipeline WORDS...` to its end. */
function vidpipeline(words, { environment = {}, cwd } = {}) {
  return new Promise((resolve) => {
    execFile(program, words, { cwd, env: { ...process.env, ...environment } }, (problem, stdout, stderr) => {
      resolve({ status: problem ? problem.code : 0, stdout, stderr });
    });
  });
}

/** A client of `server`: runs a command against it. */
function clientOf(server) {
  return (command, ...words) => vidpipeline([command, '--server', server.url, ...words]);
}

test('list, show, retry and delete', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t);
  const client = clientOf(server);
  assert.match((await client('list')).stdout, /^VIDEO +STATUS +SIZE +LENGTH +TITLE\n$/);

  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 2, size: '320x180' });
  const good = await server.upload(bytes, { title: 'a clip' });
  const bad = await server.upload(Buffer.from('no video at all'), { title: 'a text' });
  assert.equal((await server.ended(good)).status, 'completed');
  assert.equal((await server.ended(bad)).status, 'failed');

  const listed = await client('list');
  assert.equal(listed.status, 0);
  assert.match(listed.stdout, new RegExp(`^${good.slice(0, 12)} +completed +320x180 +2\\.0 s +a clip$`, 'm'));
  assert.match(listed.stdout, new RegExp(`^${bad.slice(0, 12)} +failed +- +- +a text$`, 'm'));

  const shown = await client('show', good.slice(0, 8));
  assert.equal(shown.status, 0);
  assert.ok(shown.stdout.includes(`"video_hash": "${good}"`));
  assert.ok(shown.stdout.endsWith(`Watch: ${server.url}/streaming.html?v=${good}\n`));

  const before = (await server.video(bad)).updated_at;
  assert.deepEqual(await client('retry', bad), { status: 0, stdout: `${bad} is queued\n`, stderr: '' });
  assert.notEqual((await server.ended(bad)).updated_at, before);
  const refused = await client('retry', good);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /^vidpipeline: .*completed/);

  assert.deepEqual(await client('delete', bad), { status: 0, stdout: `${bad} is deleted\n`, stderr: '' });
  assert.deepEqual((await server.get('/videos')).body.map((video) => video.video_hash), [good]);
  const gone = await client('show', bad);
  assert.notEqual(gone.status, 0);
  assert.equal(gone.stderr, `vidpipeline: no video begins with ${bad}\n`);
});

test('too little of a hash names no video, not even the only one', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t);
  const hash = await server.upload(Buffer.from('a video'), { finalize: false });
  for (const words of ['', hash.slice(0, 3), '....', `${hash}0`.replace(/^./, 'g')]) {
    for (const command of ['show', 'retry', 'delete']) {
      const outcome = await clientOf(server)(command, words);
      assert.notEqual(outcome.status, 0);
      assert.equal(outcome.stderr, `vidpipeline: '${words}' is not a video: give at least 4 hex digits of its hash\n`);
    }
  }
  assert.equal((await server.get('/videos')).body.length, 1);
  assert.equal((await clientOf(server)('delete', hash.slice(0, 4))).status, 0);
  assert.equal((await server.get('/videos')).body.length, 0);
});
