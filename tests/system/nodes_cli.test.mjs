// The nodes of a server from the command line. Its own workers are the node `local`.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { folderFor, makeClip, ON_DEMAND, Server, until, vidpipeline } from '../support/vidpipeline.mjs';

const HEAD = /^NODE +SLOTS +BUSY +SEGMENTS +SEGMENTS\/S +FAILURES +STATE\n/;

const SLOTS = String(2 + ON_DEMAND);

const nodes = (server, ...words) => vidpipeline(['nodes', ...words, '--server', server.url]);

/** A server of two workers; resolves when they have joined. */
async function serverOfTwo(t) {
  const server = await Server.startFor(t, { options: ['--workers', '2'] });
  await until(async () => (await server.get('/nodes')).body[0]?.slots.length === 2 + ON_DEMAND, 30_000, 'the workers to join');
  return server;
}

/** The words of a node's line in the table. */
async function lineOf(server, name) {
  const { status, stdout, stderr } = await nodes(server, 'list');
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  assert.match(stdout, HEAD);
  return stdout.split('\n').find((line) => line.startsWith(`${name} `))?.split(/ +/);
}

test('list shows a node at rest and at work', { timeout: 120_000 }, async (t) => {
  const server = await serverOfTwo(t);
  assert.deepEqual(await lineOf(server, 'local'), ['local', SLOTS, '0', '0', '-', '0', 'idle']);

  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 60 });
  const hash = await server.upload(bytes);
  const [, , busy, segments, speed] = await until(
    async () => {
      const line = await lineOf(server, 'local');
      return line.at(-1) === 'working' && line[4] !== '0.00' && line;
    },
    60_000,
    'the node to work',
  );
  assert.ok(busy >= 1 && busy <= SLOTS, busy); // those for viewers make the beginning
  assert.ok(Number(segments) > 0 && Number(speed) > 0, `${segments} segments, ${speed} a second`);

  assert.equal((await server.ended(hash)).status, 'completed');
  const ended = await lineOf(server, 'local');
  const encoded = Number(ended.splice(3, 1));
  assert.deepEqual(ended, ['local', SLOTS, '0', '-', '0', 'idle']);
  assert.ok(encoded >= 16, `${encoded} segments`); // of some, the renditions that come first count too
});

test('drain lets a node end what it has, and no more', { timeout: 120_000 }, async (t) => {
  const server = await serverOfTwo(t);
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 120 });
  const hash = await server.upload(bytes);
  await until(async () => (await server.get('/nodes')).body[0].segments > 0, 60_000, 'the first segment');

  const drained = await nodes(server, 'drain', 'local', '--wait');
  assert.deepEqual({ status: drained.status, stderr: drained.stderr }, { status: 0, stderr: '' });
  assert.match(drained.stdout, new RegExp(`^local gets no more tasks; still under way: [1-${SLOTS}]\nlocal is idle\n$`));
  const line = await lineOf(server, 'local');
  assert.deepEqual([line[1], line[2], line.at(-1)], [SLOTS, '0', 'drained']);
  assert.equal((await server.video(hash)).status, 'processing');

  assert.deepEqual(await nodes(server, 'drain', 'local'), {
    status: 0,
    stdout: 'local gets no more tasks; still under way: 0\n',
    stderr: '',
  });
});

test('a node that is not there is an error, and none is an empty table', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t, { options: ['--workers', '0'] });
  const { stdout } = await nodes(server, 'list');
  assert.match(stdout, HEAD);
  assert.equal(stdout.split('\n').length, 2);
  for (const name of ['local', 'a/b', '../videos', '']) {
    const outcome = await nodes(server, 'drain', name);
    assert.notEqual(outcome.status, 0);
    assert.equal(outcome.stderr, `vidpipeline: no node of this server is called '${name}'\n`);
  }
});
