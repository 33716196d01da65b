// The program as a client and how it is configured, from outside: what it prints and the status it ends with.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { Network } from '../support/network.mjs';
import { folderFor, makeClip, program, root, Server, until, vidpipeline } from '../support/vidpipeline.mjs';

/** A client of `server`: runs a command against it. */
function clientOf(server) {
  return (command, ...words) => vidpipeline([command, '--server', server.url, ...words]);
}

/** A server of the test's own: `answer(request, response)`. Resolves to its address. */
async function pretend(t, answer) {
  const pretender = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => answer(request, response));
  });
  pretender.listen(0, '127.0.0.1');
  await once(pretender, 'listening');
  t.after(() => {
    pretender.closeAllConnections();
    pretender.close();
  });
  return `http://127.0.0.1:${pretender.address().port}`;
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

// Nobody listens on port 1, so that `list` names the server that it was told.
const nobody = (number) => `http://127.0.0.${number}:1`;

async function serverOfList(options) {
  const { status, stderr } = await vidpipeline(['list', ...(options.words ?? [])], options);
  assert.notEqual(status, 0);
  return /^vidpipeline: (\S+) does not answer/.exec(stderr)?.[1] ?? stderr;
}

test('command line, environment, file, default: in this order', async (t) => {
  const cwd = await folderFor(t);
  await writeFile(path.join(cwd, 'vidpipeline.toml'), `[list]\nserver = "${nobody(2)}"\n`);
  const environment = { VIDPIPELINE_SERVER: nobody(3) };
  assert.equal(await serverOfList({ cwd }), nobody(2));
  assert.equal(await serverOfList({ cwd, environment }), nobody(3));
  assert.equal(await serverOfList({ cwd, environment, words: ['--server', nobody(4)] }), nobody(4));
  assert.equal(await serverOfList({ cwd, words: ['--server', nobody(4)] }), nobody(4));
  // An empty variable is one that is not set.
  assert.equal(await serverOfList({ cwd, environment: { VIDPIPELINE_SERVER: '' } }), nobody(2));
});

test('the configuration file is named before the command, after it, or in the environment', async (t) => {
  const cwd = await folderFor(t);
  await writeFile(path.join(cwd, 'vidpipeline.toml'), `[list]\nserver = "${nobody(2)}"\n`);
  await writeFile(path.join(cwd, 'other.toml'), `[list]\nserver = "${nobody(3)}"\n`);
  await writeFile(path.join(cwd, 'third.toml'), `[list]\nserver = "${nobody(4)}"\n`);
  const environment = { VIDPIPELINE_CONFIG: 'other.toml' };
  assert.equal(await serverOfList({ cwd, environment }), nobody(3));
  assert.equal(await serverOfList({ cwd, words: ['--config', 'other.toml'] }), nobody(3));
  assert.equal(await serverOfList({ cwd, environment, words: ['--config', 'third.toml'] }), nobody(4));
  const before = await vidpipeline(['--config', 'other.toml', 'list'], { cwd });
  assert.ok(before.stderr.includes(nobody(3)));
  for (const missing of [{ environment: { VIDPIPELINE_CONFIG: 'gone.toml' } }, { words: ['--config', 'gone.toml'] }])
    assert.match(await serverOfList({ cwd, ...missing }), /gone\.toml/);
});

test('a key or a section that does not exist is an error that names it', async (t) => {
  const cwd = await folderFor(t);
  const says = async (text) => {
    await writeFile(path.join(cwd, 'vidpipeline.toml'), text);
    return serverOfList({ cwd });
  };
  assert.match(await says('[serve]\nprot = 8080\n'), /no option prot in \[serve\]/);
  assert.match(await says('[list]\nserver = "http://x"\nhelp = true\n'), /no option help in \[list\]/);
  assert.match(await says('[server]\nport = 8080\n'), /no section \[server\]/);
  assert.match(await says('[server]\n'), /no section \[server\]/);
  assert.match(await says('port = 8080\n'), /port must be in a section such as \[serve\]/);
  assert.match(await says('[serve]\nport = 80800\n'), /--port/);
});

test("the README's configuration file is one", async (t) => {
  const [, toml] = /```toml\n([^]*?)```/.exec(await readFile(path.join(root, 'README.md'), 'utf8'));
  const cwd = await folderFor(t);
  await writeFile(path.join(cwd, 'vidpipeline.toml'), `${toml}\n[list]\nserver = "${nobody(2)}"\n`);
  assert.equal(await serverOfList({ cwd }), nobody(2));
});

test('the server is configured by a file and by the environment', { timeout: 60_000 }, async (t) => {
  const file = path.join(await folderFor(t), 'my.toml');
  await writeFile(file, '[serve]\naddress = "127.0.0.2"\nlog-format = "json"\nmax-file-size = "1 KB" # small\n');
  const server = await Server.startFor(t, {
    options: ['--config', file],
    environment: { VIDPIPELINE_LOG_FORMAT: 'text', VIDPIPELINE_MAX_CHUNK_SIZE: '10' },
  });
  assert.equal(new URL(server.url).hostname, '127.0.0.2');
  assert.ok(server.log.every((line) => !line.startsWith('{')));
  const init = (size, chunks) =>
    server.request('POST', '/videos/init', { title: 'a', file_size: size, total_chunks: chunks });
  assert.equal((await init(1025, 200)).status, 413);
  assert.equal((await init(100, 9)).status, 413);
  assert.equal((await init(100, 10)).status, 200);
});

test('--no-wait in the environment', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t);
  const file = path.join(await folderFor(t), 'a.txt');
  await writeFile(file, 'no video at all');
  const send = (environment) => vidpipeline(['upload', '--server', server.url, file], { environment });
  const sent = await send({ VIDPIPELINE_NO_WAIT: '1' });
  assert.equal(sent.status, 0);
  assert.match(sent.stdout, /^It will play at: \S+\/streaming\.html\?v=[0-9a-f]{64}\n$/m);
  // Who waits hears that this is no video.
  const waited = await send({ VIDPIPELINE_NO_WAIT: '0' });
  assert.notEqual(waited.status, 0);
  assert.match(waited.stderr, /^vidpipeline: \S+/);
});

test('numbers that make no sense are refused, those at the limits work', { timeout: 60_000 }, async (t) => {
  for (const words of ['upload-expiry=0', 'upload-expiry=99999999', 'segment-timeout=99999999', 'crf=52']) {
    const name = words.split('=')[0];
    await assert.rejects(Server.startFor(t, { options: [`--${words}`] }), new RegExp(`ended with [1-9][^]*--${name}`));
  }
  await Server.startFor(t, { options: ['--upload-expiry=876000', '--segment-timeout=86400', '--crf=21.5'] });
});

test('an upload that is killed half way goes on where it was', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t);
  const network = await Network.startFor(t, server);
  const file = path.join(await folderFor(t), 'film.mp4');
  const bytes = await makeClip(file, { seconds: 4 });
  const count = Math.ceil(bytes.length / 4096);
  const words = ['upload', '--server', network.url, '--chunk-size', '4096', file];

  network.uploadRate = 200_000;
  const first = spawn(program, [...words, '--connections', '1'], { stdio: 'ignore' });
  const ended = once(first, 'exit');
  await until(() => network.acknowledged.length >= 5, 20_000, 'the first chunks');
  first.kill('SIGKILL');
  await ended;
  const [{ video_hash: hash, received_chunks: there, status }] = (await server.get('/videos')).body;
  assert.equal(status, 'uploading');
  assert.ok(there >= 5 && there < count, `${there} of ${count} chunks are there`);

  network.uploadRate = Infinity;
  const second = await vidpipeline(words);
  assert.deepEqual({ status: second.status, stderr: second.stderr }, { status: 0, stderr: '' });
  assert.match(second.stdout, /^Resuming: /);
  assert.ok(second.stdout.endsWith(`Watch: ${network.url}/streaming.html?v=${hash}\n`));
  assert.equal(new Set(network.acknowledged).size, network.acknowledged.length);
  assert.equal((await server.video(hash)).status, 'completed');

  // What is complete is not sent again at all.
  const sent = network.acknowledged.length;
  assert.equal((await vidpipeline(words)).status, 0);
  assert.equal(network.acknowledged.length, sent);
});

test('an upload begins with the index of the file, and sends next what is waited for', { timeout: 60_000 }, async (t) => {
  const file = path.join(await folderFor(t), 'film.mp4');
  const bytes = await makeClip(file, { seconds: 4 });
  const size = 65_536;
  const count = Math.ceil(bytes.length / size);
  const video_hash = 'ab'.repeat(32);
  const sent = [];
  const url = await pretend(t, (request, response) => {
    const index = /upload_chunk\/\w+\/(\d+)$/.exec(request.url)?.[1];
    if (index !== undefined) sent.push(Number(index));
    response.setHeader('Content-Type', 'application/json');
    response.end(
      JSON.stringify({
        video_hash,
        resumable: true,
        missing_chunks: [...Array(count).keys()],
        wanted_chunks: index === '0' ? [5, 3, 99] : [],
      }),
    );
  });
  const words = ['--server', url, '--chunk-size', String(size), '--connections', '1', '--no-wait', file];
  assert.equal((await vidpipeline(['upload', ...words])).status, 0);
  const index = Math.floor(bytes.lastIndexOf('moov') / size);
  const first = [...Array(count).keys()].filter((each) => each >= index);
  assert.deepEqual(sent.slice(0, first.length), first);
  assert.deepEqual(sent.slice(first.length, first.length + 5), [0, 5, 3, 1, 2]);
  assert.equal(sent.length, count);
});

test('each request of an upload is tried again', { timeout: 60_000 }, async (t) => {
  const file = path.join(await folderFor(t), 'film.mp4');
  await writeFile(file, 'a film');
  const video_hash = 'ab'.repeat(32);
  const tries = {};
  const url = await pretend(t, (request, response) => {
    const step = request.url.split('/')[2];
    tries[step] = (tries[step] ?? 0) + 1;
    // First a connection that breaks, then a server that has too much to do.
    if (tries[step] === 1) request.socket.destroy();
    else if (tries[step] === 2) response.writeHead(503).end('{"detail": "too much at once"}');
    else response.end(JSON.stringify({ video_hash, status: 'uploading', resumable: true, missing_chunks: [0] }));
  });
  const { status, stdout, stderr } = await vidpipeline(['upload', '--no-wait', '--server', url, file]);
  assert.equal(status, 0, stderr);
  assert.deepEqual(tries, { init: 3, upload_chunk: 3, finalize: 3 });
  assert.match(stderr, /^vidpipeline: \S+ does not answer.*; trying again\nvidpipeline: too much at once; trying again\n/);
  assert.ok(stdout.endsWith(`It will play at: ${url}/streaming.html?v=${video_hash}\n`));
});

test('a refused upload is not tried again', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t, { options: ['--max-file-size', '10'] });
  const file = path.join(await folderFor(t), 'film.mp4');
  await writeFile(file, 'more than ten bytes');
  const outcome = await clientOf(server)('upload', file);
  assert.notEqual(outcome.status, 0);
  assert.match(outcome.stderr, /^vidpipeline: a file may have at most 10 bytes[^\n]*\n$/);
  await writeFile(file, '');
  assert.notEqual((await clientOf(server)('upload', file)).status, 0);
  assert.notEqual((await clientOf(server)('upload', `${file}.gone`)).status, 0);
});

test('what a server says does not steer the terminal', async (t) => {
  const evil = '\u001b[31m\u009b31m\u007f\r\nž馬';
  const harmless = '?[31m?31m???ž馬';
  const video = { video_hash: 'ab'.repeat(32), title: evil, status: 'failed', error: evil, duration: null, width: null };
  const url = await pretend(t, (request, response) => {
    if (request.url.endsWith('/retry')) response.writeHead(409).end(JSON.stringify({ detail: evil }));
    else response.end(JSON.stringify({ '/videos': [video], '/nodes': [{ name: evil, slots: [] }] }[request.url] ?? video));
  });
  const client = clientOf({ url });
  assert.ok((await client('list')).stdout.endsWith(`  ${harmless}\n`));
  assert.ok((await client('nodes', 'list')).stdout.includes(`\n${harmless} `));
  assert.ok((await client('show', 'abab')).stdout.includes('"title": "\\u001b[31m?31m?\\r\\nž馬"'));
  assert.equal((await client('retry', 'abab')).stderr, `vidpipeline: ${harmless}\n`);
  const file = path.join(await folderFor(t), 'film.mp4');
  await writeFile(file, 'a film');
  const uploaded = await client('upload', file);
  assert.notEqual(uploaded.status, 0);
  assert.equal(uploaded.stderr, `vidpipeline: ${harmless}\n`);
});

test('a title with control characters is refused, a file name with some is not', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t);
  const file = path.join(await folderFor(t), 'a\u001b[2J film.mp4');
  await writeFile(file, 'a film');
  const refused = await clientOf(server)('upload', '--title', 'a\u001b[2J film', file);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /control characters/);
  assert.equal((await clientOf(server)('upload', '--no-wait', file)).status, 0);
  assert.deepEqual((await server.get('/videos')).body.map((video) => video.title), ['a?[2J film.mp4']);
});

test('the address of a server', { timeout: 60_000 }, async (t) => {
  const server = await Server.startFor(t);
  const hash = await server.upload(Buffer.from('a video'), { finalize: false });
  for (const url of [`${server.url}/`, `${server.url}//`, server.url.replace('http://', '')])
    assert.ok((await clientOf({ url })('list')).stdout.includes(hash.slice(0, 12)), url);
  const file = path.join(await folderFor(t), 'film.mp4');
  await writeFile(file, 'a film');
  const uploaded = await clientOf({ url: `${server.url}/` })('upload', '--no-wait', file);
  assert.ok(uploaded.stdout.includes(` ${server.url}/streaming.html?v=`));
  for (const url of [`${server.url}/videos`, '/']) {
    const outcome = await clientOf({ url })('list');
    assert.notEqual(outcome.status, 0);
    assert.match(outcome.stderr, /^--server: .*without a path/);
  }
});

test('an answer that is not from a VidPipeline server is an error', async (t) => {
  const file = path.join(await folderFor(t), 'film.mp4');
  await writeFile(file, 'a film');
  const foreign = /^vidpipeline: the answer of http:\S+ is not from a VidPipeline server \(HTTP status \d+\)\n$/;
  for (const [status, body] of [[200, '<html>It works!</html>'], [200, ''], [200, '{}'], [200, '[1]'], [200, '"text"'],
    [404, '<html>Not found</html>'], [301, '']]) {
    const url = await pretend(t, (request, response) => response.writeHead(status).end(body));
    for (const words of [['list'], ['show', 'abab'], ['retry', 'abab'], ['delete', 'abab'], ['upload', file],
      ['nodes', 'list'], ['nodes', 'drain', 'abab']]) {
      const outcome = await clientOf({ url })(...words);
      assert.notEqual(outcome.status, 0);
      assert.match(outcome.stderr, foreign, `${words[0]}: ${body}`);
    }
  }
});

test('a port that is taken is said before any work begins', { timeout: 60_000 }, async (t) => {
  const { port } = await Server.startFor(t);
  const data = path.join(await folderFor(t), 'data');
  const outcome = await vidpipeline(['serve', '--data', data, '--port', String(port)]);
  assert.equal(outcome.status, 1);
  assert.equal(outcome.stderr, `vidpipeline: cannot listen on 127.0.0.1 port ${port}: Address already in use\n`);
  assert.equal(outcome.stdout, '');
  await assert.rejects(access(data));
});
