// Encoders as processes of their own: what a hostile video does ends its worker and its job, never the server; and workers
// that are killed, frozen or told to stop lose nothing.

import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { digests, failpoints, folderFor, makeClip, ON_DEMAND, program, Server, until } from '../support/vidpipeline.mjs';

const fast = ['--preset', 'ultrafast'];

/** The processes there are, by id: `{parent, state, command}`. */
async function processes() {
  const all = new Map();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [, command, state, parent] = /\((.*)\) (\S) (\d+)/.exec(await readFile(`/proc/${name}/stat`, 'utf8'));
      all.set(Number(name), { parent: Number(parent), state, command });
    } catch {
      // It has ended meanwhile.
    }
  }
  return all;
}

/** The ids of a server's workers: their parent, and one child a slot. */
async function workersOf(server) {
  const all = await processes();
  const childrenOf = (id) => [...all].filter(([, one]) => one.parent === id && one.state !== 'Z').map(([each]) => each);
  const [parent] = childrenOf(server.child.pid);
  return { parent, children: parent === undefined ? [] : childrenOf(parent) };
}

/** Waits until all of a server's workers have joined. */
function joined(server, count) {
  const all = async () => (await server.metric('vidpipeline_encoders')) === count + ON_DEMAND;
  return until(all, 20_000, 'workers joining');
}

/** A folder with videos that wait for a worker. */
async function queue(t, bytes, titles) {
  const data = await folderFor(t);
  const server = await Server.start({ data, options: ['--workers', '0'] });
  const hashes = [];
  for (const title of titles) hashes.push(await server.upload(bytes, { title }));
  await server.stop();
  return { data, hashes };
}

const reasons = {
  crash: /SIGSEGV/,
  open: /SIGABRT/, // refused, and then it gives up
  connect: /forbidden.*SIGSYS/,
  fork: /forbidden.*SIGSYS/,
  memory: /memory|SIGABRT/,
  spin: /CPU time|does not react/, // whichever limit a busy machine comes to first
};

test('whatever a video makes its worker do, its job fails with the reason and the others go on', { timeout: 240_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 5, size: '320x180' });
  const deeds = Object.keys(reasons);
  const { data, hashes } = await queue(t, bytes, [...deeds, 'good']);
  const orders = deeds.map((deed, index) => `encode/${hashes[index]}/1=${deed}`);
  const server = await Server.startFor(t, {
    data,
    binary: failpoints,
    options: [...fast, '--workers', '2', '--segment-timeout', '2'],
    environment: { VIDPIPELINE_TEST_MISDEEDS: orders.join(',') },
  });
  for (const [index, deed] of deeds.entries()) {
    const video = await server.ended(hashes[index], 180_000);
    assert.equal(video.status, 'failed', deed);
    assert.match(video.error, reasons[deed], deed);
    t.diagnostic(`${deed}: ${video.error}`);
  }
  assert.equal((await server.ended(hashes.at(-1))).status, 'completed');
  assert.equal(server.child.exitCode, null);
  await joined(server, 2);
});

test('workers that are killed lose nothing, and are started again', { timeout: 240_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 40, size: '640x360' });
  const calm = await folderFor(t);
  const undisturbed = await Server.startFor(t, { data: calm, options: ['--workers', '1'] });
  const hash = await undisturbed.upload(bytes);
  assert.equal((await undisturbed.ended(hash)).status, 'completed');
  const expected = await digests(path.join(calm, 'uploads', hash));
  await undisturbed.stop();

  const data = await folderFor(t);
  const server = await Server.startFor(t, { data, options: ['--workers', '2'] });
  await joined(server, 2);
  assert.equal(await server.upload(bytes), hash);
  const encoded = (count) =>
    until(async () => (await server.metric('vidpipeline_segments_encoded_total')) >= count, 60_000, 'encoding');
  await encoded(1);
  process.kill((await workersOf(server)).children[0], 'SIGKILL');
  await encoded(3);
  process.kill((await workersOf(server)).children[1], 'SIGTERM'); // finishes what it has
  await encoded(5);
  process.kill((await workersOf(server)).parent, 'SIGKILL');
  const video = await server.ended(hash);
  assert.equal(video.status, 'completed', video.error);
  assert.deepEqual(await digests(path.join(data, 'uploads', hash)), expected);
  await joined(server, 2);
});

test('a worker that is frozen is missed, and harmless when it wakes up', { timeout: 240_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 20, size: '640x360' });
  const server = await Server.startFor(t, { options: ['--workers', '2'] });
  await joined(server, 2);
  const hash = await server.upload(bytes);
  await until(async () => (await server.metric('vidpipeline_encoders_busy')) === 2, 20_000, 'encoding');
  const [frozen] = (await workersOf(server)).children;
  process.kill(frozen, 'SIGSTOP');
  t.after(() => {
    try {
      process.kill(frozen, 'SIGCONT');
    } catch {
      // It has ended.
    }
  });
  assert.equal((await server.ended(hash)).status, 'completed');
  process.kill(frozen, 'SIGCONT');
  await joined(server, 2);
  assert.equal(server.log.filter((line) => line.includes(': completed')).length, 1);
});

test('what the environment tells the server is nothing for its workers', { timeout: 60_000 }, async (t) => {
  const environment = { VIDPIPELINE_NAME: 'studio', DATABASE_PASSWORD: 'secret' };
  const server = await Server.startFor(t, { options: ['--workers', '1'], environment });
  await joined(server, 1);
  assert.deepEqual((await server.get('/nodes')).body.map(({ name }) => name), ['local']);
  const { parent } = await workersOf(server);
  const theirs = await readFile(`/proc/${parent}/environ`, 'utf8');
  assert.match(theirs, /VIDPIPELINE_CONFIG=\/dev\/null/);
  assert.doesNotMatch(theirs, /studio|secret|PATH=/);
});

test('workers are started again when another program stands in the place of theirs', { timeout: 60_000 }, async (t) => {
  const folder = await folderFor(t);
  const binary = path.join(folder, 'vidpipeline');
  await copyFile(program, binary);
  const server = await Server.startFor(t, { binary, options: ['--workers', '1'] });
  await joined(server, 1);
  await writeFile(path.join(folder, 'next'), 'the next version');
  await rename(path.join(folder, 'next'), binary);
  const before = (await workersOf(server)).parent;
  process.kill(before, 'SIGKILL');
  await until(async () => ![before, undefined].includes((await workersOf(server)).parent), 20_000, 'another parent');
  await joined(server, 1);
});

test('no worker outlives its server', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t, { options: ['--workers', '2'] });
  await joined(server, 2);
  const { parent, children } = await workersOf(server);
  assert.equal(children.length, 2 + ON_DEMAND);
  await server.kill();
  const gone = async () => {
    const all = await processes();
    return [parent, ...children].every((id) => !all.has(id) || all.get(id).state === 'Z');
  };
  await until(gone, 10_000, 'the end of the workers');
});
