// Much at once: the same file twice, ten thousand idle connections, many videos, a full disk.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { folderFor, makeClip, run, Server, until } from '../support/vidpipeline.mjs';

async function residentBytes(server) {
  const status = await readFile(`/proc/${server.child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]) * 1024;
}

test('two uploads of one file at once make one video', { timeout: 60_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 4, size: '320x180' });
  const server = await Server.startFor(t);
  const [first, second] = await Promise.all([1, 2].map(() => server.upload(bytes, { chunkSize: 16 << 10 })));
  assert.equal(first, second);
  assert.equal((await server.ended(first)).status, 'completed');
  assert.equal((await server.get('/videos')).body.length, 1);
});

test('many videos at once share the encoders, and a broken one is told so soon', { timeout: 180_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 30, size: '640x360' });
  const server = await Server.startFor(t);
  const hashes = await Promise.all(Array.from({ length: 6 }, (_, i) => server.upload(bytes, { title: `clip ${i}` })));
  const some = await until(async () => {
    const { body } = await server.get('/videos');
    return body.every((video) => video.progress?.segments_done > 0) && body;
  }, 60_000, 'all six in progress at once');
  assert.deepEqual([...new Set(some.map(({ status }) => status))], ['processing']);

  const began = performance.now();
  const broken = await server.ended(await server.upload(Buffer.from('no film at all'), { title: 'broken' }));
  assert.equal(broken.status, 'failed');
  assert.ok(performance.now() - began < 5000);
  assert.ok((await server.get('/videos')).body.some(({ status }) => status === 'processing'));
  for (const hash of hashes) assert.equal((await server.ended(hash)).status, 'completed');
});

/** Opens connections that say nothing, in steps; they end with the test. */
async function openIdle(t, server, wanted) {
  const sockets = [];
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  for (let i = 0; i < wanted; i += 500) {
    const opened = await Promise.all(Array.from({ length: Math.min(500, wanted - i) }, () => new Promise((resolve, reject) => {
      // Four loopback addresses, since one pair of addresses runs out of ports.
      const socket = net.connect({ port: server.port, host: '127.0.0.1', localAddress: `127.0.0.${1 + (i / 500) % 4}` });
      socket.once('connect', () => resolve(socket)).once('error', reject);
      socket.on('error', () => {});
    })));
    sockets.push(...opened);
  }
  return sockets;
}

test('10,000 idle connections cost little, and the server still answers', { timeout: 120_000 }, async (t) => {
  const server = await Server.startFor(t);
  await server.get('/healthz');
  const before = await residentBytes(server);
  const sockets = await openIdle(t, server, 10_000);
  const times = [];
  for (let i = 0; i < 20; ++i) {
    const begin = performance.now();
    assert.equal((await server.get('/healthz')).status, 200);
    times.push(performance.now() - begin);
  }
  const grown = (await residentBytes(server)) - before;
  const slowest = Math.max(...times);
  t.diagnostic(`memory +${Math.round(grown / 1e6)} MB, /healthz ${slowest.toFixed(1)} ms at most`);
  assert.equal(sockets.filter((socket) => socket.destroyed).length, 0);
  assert.ok(grown < 200e6, `${grown} bytes`);
  assert.ok(slowest < 100, `${slowest} ms`);
});

test('connections never take the last file descriptors', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t, { within: ['bash', '-c', 'ulimit -n 400 && exec "$0" "$@"'] });
  assert.ok(server.log.some((line) => line.includes('may open 400 files')), server.log.join('\n'));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const get = (target) => new Promise((resolve, reject) => {
    http.get(server.url + target, { agent }, async (answer) => resolve({ status: answer.statusCode, body: await text(answer) }))
      .once('error', reject);
  });
  const connections = async () => Number(/^vidpipeline_http_connections (\d+)/m.exec((await get('/metrics')).body)[1]);
  await connections(); // so that this connection is one of the first
  await openIdle(t, server, 600);
  await until(async () => (await connections()) >= 135, 20_000, 'taking the connections');
  assert.equal((await get('/')).status, 200);
  assert.ok((await connections()) < 400 - 200);
});

test('a full disk is 507, and the upload goes on once there is room', { timeout: 60_000 }, async (t) => {
  const folder = await folderFor(t);
  // A small disk that only the server sees, and that goes with it. More than what an upload must leave free, and not
  // much more.
  const unshare = process.getuid() === 0 ? ['unshare', '-m'] : ['unshare', '-rm'];
  const mount = `mount -t tmpfs -o size=96m tmpfs '${folder}'`;
  try {
    await run(unshare[0], [...unshare.slice(1), 'sh', '-c', mount]);
  } catch (problem) {
    if (process.env.CI) throw problem;
    return t.skip(`needs the right to mount a tmpfs: ${problem.stderr}`);
  }
  const server = await Server.startFor(t, { data: folder, within: [...unshare, 'sh', '-c', `${mount} && exec "$0" "$@"`] });
  const data = `/proc/${server.child.pid}/root${folder}`;
  const tooLarge = await server.request('POST', '/videos/init', { title: 'large', file_size: 1 << 30, total_chunks: 1024 });
  assert.equal(tooLarge.status, 507);
  assert.ok(tooLarge.body.detail);

  const chunkSize = 1 << 20;
  const begun = await server.request('POST', '/videos/init',
    { title: 'fits', file_size: 12 * chunkSize, total_chunks: 12, chunk_size: chunkSize });
  assert.equal(begun.status, 200);
  const send = (index) => server.request('POST', `/videos/upload_chunk/${begun.body.video_hash}/${index}`, Buffer.alloc(chunkSize, index));
  assert.equal((await send(0)).status, 200);
  const ballast = path.join(data, 'ballast');
  await run('sh', ['-c', `dd if=/dev/zero of=${ballast} bs=64k 2>/dev/null || true`]);
  const refused = await send(1);
  assert.equal(refused.status, 507, JSON.stringify(refused.body));
  assert.ok(refused.body.detail);
  await run('rm', [ballast]);
  for (let index = 1; index < 12; ++index) assert.equal((await send(index)).status, 200);
  assert.equal((await server.video(begun.body.video_hash)).received_chunks, 12);
});
