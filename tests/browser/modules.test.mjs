// The pages' modules that need no page.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { test } from 'node:test';

import { answerOf, serverOf } from '../../client/api.js';
import { findIndex } from '../../client/boxes.js';
import { inSendingOrder, putFirst } from '../../client/chunks.js';
import { EventFeed } from '../../client/events.js';
import { fingerprint } from '../../client/fingerprint.js';
import * as format from '../../client/format.js';
import { endsOf } from '../../client/grid.js';
import { lengthOf } from '../../client/length.js';
import { rungName } from '../../client/rungs.js';
import { sha256 } from '../../client/sha256.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const digest = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex');

test('SHA-256 is that of the standard, around every block boundary', () => {
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 100_003]) {
    const bytes = randomBytes(length);
    assert.equal(hex(sha256(new Uint8Array(bytes))), digest(bytes), `${length} bytes`);
  }
});

test('a fingerprint is made of the first MiB, the last MiB and the size', async () => {
  const MiB = 1 << 20;
  for (const size of [0, 5, MiB, MiB + 7, 3 * MiB + 1]) {
    const bytes = randomBytes(size);
    const expected = digest(bytes.subarray(0, MiB), bytes.subarray(Math.max(0, size - MiB)), String(size));
    assert.equal(await fingerprint(new Blob([bytes])), expected, `${size} bytes`);
  }
});

const box = (type, content, { large = false, size } = {}) => {
  const header = Buffer.alloc(large ? 16 : 8);
  header.writeUInt32BE(large ? 1 : (size ?? 8 + content), 0);
  header.write(type, 4, 'latin1');
  if (large) header.writeBigUInt64BE(BigInt(16 + content), 8);
  return Buffer.concat([header, Buffer.alloc(content)]);
};

test('the index of a film is found wherever it is', async () => {
  const find = (...boxes) => findIndex(new Blob(boxes));
  assert.deepEqual(await find(box('ftyp', 8), box('moov', 100), box('mdat', 50)), [16, 124]);
  assert.deepEqual(await find(box('ftyp', 8), box('mdat', 5000, { large: true }), box('moov', 100)), [5032, 5140]);
  assert.deepEqual(await find(box('ftyp', 8), box('moov', 100, { size: 0 })), [16, 124]);
  assert.equal(await find(box('ftyp', 8), box('mdat', 100, { size: 0 })), null);
  assert.equal(await find(box('ftyp', 8), box('mdat', 100, { size: 4 }), box('moov', 8)), null);
  assert.deepEqual(await find(box('wide', 0), box('moov', 8)), [8, 24]);
  assert.equal(await find(box('name', 8), box('moov', 8)), null);
  assert.equal(await find(box('ftyp', 8), box('moov', 100, { size: 1000 })), null);
  assert.equal(await find(Buffer.from('no film')), null);
  assert.equal(await find(box('ftyp', 8), ...Array(100).fill(box('free', 0)), box('moov', 8)), null);
});

test('the index is sent first, then the beginning, then the rest, and what is wanted before all of it', () => {
  const MiB = 1 << 20;
  const missing = [0, 1, 3, 4, 5, 6, 7];
  const order = (index) => inSendingOrder(missing, { index, chunkSize: MiB, size: 8 * MiB });
  assert.deepEqual(order([6 * MiB + 5, 7 * MiB + 1]), [6, 7, 0, 1, 3, 4, 5]);
  assert.deepEqual(order(null), missing);
  assert.deepEqual(inSendingOrder([2, 9], { index: [0, 10], chunkSize: MiB / 4, size: 8 * MiB }), [2, 9]);
  assert.deepEqual(putFirst([3, 4, 5, 6], [6, 2, 5]), [6, 5, 3, 4]);
});

test('the server is the page’s own unless ?api= names one', () => {
  const page = (search) => ({ origin: 'http://here:8000', protocol: 'http:', search });
  assert.equal(serverOf(page('')), 'http://here:8000');
  assert.equal(serverOf(page('?v=1&api=https://there:9/path')), 'https://there:9');
  assert.equal(serverOf(page('?api=there:9')), 'http://there:9');
  assert.equal(serverOf(page('?api=javascript:alert(1)//')), 'http://here:8000');
  assert.equal(serverOf(page('?api=file:///etc')), 'http://here:8000');
});

test('an answer is its JSON, or an error in words', () => {
  assert.deepEqual(answerOf(200, '{"wanted_chunks": [3]}'), { wanted_chunks: [3] });
  assert.equal(answerOf(204, ''), null);
  assert.throws(() => answerOf(409, '{"detail": "It is there."}'), { status: 409, message: 'It is there.' });
  assert.throws(() => answerOf(502, '<html>'), { status: 502, message: 'The server answered with status 502.' });
  assert.throws(() => answerOf(200, '<html>'), { status: 200, message: 'The answer is not from a VidPipeline server.' });
});

test('figures read well', () => {
  assert.deepEqual([0, 999, 1000, 9_940_000, 22_718_509, 5e9].map(format.bytes), ['0 B', '999 B', '1.0 kB', '9.9 MB', '23 MB', '5.0 GB']);
  assert.deepEqual([NaN, 800e3, 5.12e6, 1.2e9].map(format.bitrate), ['–', '800 kb/s', '5.1 Mb/s', '1.2 Gb/s']);
  assert.deepEqual([0, 75.9, 3725].map(format.clock), ['0:00', '1:15', '1:02:05']);
  assert.deepEqual([null, -1, 0.2, 9.1, 90, 7200].map(format.timeLeft), ['', '', 'almost done', '10 s left', 'about 2 min left', 'about 2 h left']);
  assert.deepEqual([0, 0.999, 1].map(format.percent), ['0 %', '99 %', '100 %']);
  assert.deepEqual(['a.mp4', 'v1.2', '.mp4', 'b.tar.MKV'].map(format.named), ['a', 'v1.2', '.mp4', 'b.tar']);
});

test('a rendition is called what the server calls it', () => {
  const size = { width: 1920, height: 800 };
  assert.equal(rungName('1080p-0a1b2c3d', size), '1080p');
  assert.equal(rungName('http://x/media/uploads/720p00/hls/480p.m3u8', size), '480p');
  assert.equal(rungName('0', { width: 360, height: 640 }), '360p');
});

test('segments end where they are listed to, and of one that grows only what is listed counts', () => {
  assert.deepEqual(endsOf(4, [], 10), [2.5, 5, 7.5, 10]);
  assert.deepEqual(endsOf(3, [2, 4, 8], 8), [2, 4, 8]);
  assert.deepEqual(endsOf(5, [2, 4, 8], 8), [2, 4, 8, 12, 16]);
  assert.deepEqual(endsOf(2, [1.5], 1.5), [1.5, 3]);
  assert.deepEqual(endsOf(2, [2, 4, 8], 8), [2, 4]);
  const seekable = (...ends) => ({ length: ends.length, end: (i) => ends[i] });
  assert.equal(lengthOf({ duration: 30, seekable: seekable(30) }), 30);
  assert.equal(lengthOf({ duration: Infinity, seekable: seekable(8) }), 8);
  assert.equal(lengthOf({ duration: NaN, seekable: seekable() }), 0);
});

test('the event feed reads split events, and goes on behind the last one after a break', { timeout: 20_000 }, async (t) => {
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.headers['last-event-id']);
    if (asked.length === 2) return response.writeHead(503).end();
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    if (asked.length > 2) return response.write('id: 8\nevent: deleted\ndata: {"n":3}\n\n');
    response.write(':\n\nid: 6\nevent: chunk\r\ndata: {"n"');
    setTimeout(() => response.write(':1}\r\n\r\nid: 7\nevent: queued\ndata:{"n":2}\n\ndata: not json\n\nid: 9\nevent: half'), 50);
    setTimeout(() => response.destroy(), 150);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const seen = [];
  await new Promise((resolve) => {
    const feed = new EventFeed(`http://127.0.0.1:${server.address().port}/events`, {
      opened: () => seen.push('opened'),
      lost: () => seen.push('lost'),
      event({ id, kind, data }) {
        seen.push([id, kind, data.n]);
        if (kind !== 'deleted') return;
        feed.close();
        resolve();
      },
    });
    feed.run();
  });
  assert.deepEqual(asked, [undefined, '7', '7']);
  assert.deepEqual(seen, ['opened', ['6', 'chunk', 1], ['7', 'queued', 2], 'lost', 'lost', 'opened', ['8', 'deleted', 3]]);
});
