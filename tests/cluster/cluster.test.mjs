// A server and two workers, each on a host of its own, with TLS between them.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Hosts, insideOwnNetwork, makeCertificates, nodesJoin, skip, startWorker } from '../support/hosts.mjs';
import {
  clip,
  digests,
  folderFor,
  makeClip,
  otherVersion,
  run,
  Server,
  until,
  vidpipeline,
} from '../support/vidpipeline.mjs';

const door = 8100;
const fast = ['--preset', 'ultrafast'];

/** Has a worker's certificate be one that was good until yesterday. */
async function expire(folder, authority, name) {
  const [key, request, extensions] = ['key', 'csr', 'ext'].map((end) => path.join(folder, `${name}.${end}`));
  await writeFile(extensions, 'extendedKeyUsage = clientAuth\n');
  await run('openssl', ['req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request]);
  const issuer = ['-CA', path.join(authority, 'ca.pem'), '-CAkey', path.join(authority, 'ca.key'), '-CAcreateserial'];
  await run('openssl', [
    ...['x509', '-req', '-in', request, ...issuer, '-days', '-1'],
    ...['-extfile', extensions, '-out', path.join(folder, `${name}.pem`)],
  ]);
}

/** A server on a host of its own that workers can join. */
function serveOn(t, host, certificates, options = []) {
  const place = ['--address', host.address, '--nodes', `${host.address}:${door}`, '--certs', certificates('server')];
  return Server.startFor(t, { within: host.within, options: [...place, '--workers', '0', ...fast, ...options] });
}

const joining = (server, name, certificates) => [
  ...['--join', `${new URL(server.url).hostname}:${door}`, '--name', name],
  ...['--certs', certificates(name), '--slots', '1'],
];

/** A server and the hosts of two workers that have joined it. */
async function startThree(t) {
  const hosts = Hosts.startFor(t);
  const [host, alpha, beta] = [await hosts.add(1), await hosts.add(2), await hosts.add(3)];
  const certificates = await makeCertificates(t, ['alpha', 'beta']);
  const server = await serveOn(t, host, certificates);
  startWorker(t, alpha, joining(server, 'alpha', certificates));
  startWorker(t, beta, joining(server, 'beta', certificates));
  await nodesJoin(server, { alpha: 1, beta: 1 });
  return { server, alpha, beta };
}

if (insideOwnNetwork(fileURLToPath(import.meta.url))) {
  test('three hosts make the same files as one worker', { skip, timeout: 600_000 }, async (t) => {
    const { server } = await startThree(t);
    const bytes = await readFile(clip);
    const hash = await server.upload(bytes);
    assert.equal((await server.ended(hash, 250_000)).status, 'completed');
    for (const { name, segments } of (await server.get('/nodes')).body) assert.ok(segments > 0, `${name} took part`);
    const files = await digests(path.join(server.data, 'uploads', hash));

    const alone = await Server.startFor(t, { options: [...fast, '--workers', '1'] });
    assert.equal(await alone.upload(bytes), hash);
    assert.equal((await alone.ended(hash, 250_000)).status, 'completed');
    assert.deepEqual(files, await digests(path.join(alone.data, 'uploads', hash)));
  });

  test('a link that breaks, and one that is slow, lose nothing', { skip, timeout: 300_000 }, async (t) => {
    const { server, alpha, beta } = await startThree(t);
    await beta.shape('tbf', 'rate', '1500kbit', 'burst', '16kb', 'latency', '400ms');
    const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 30, size: '640x360' });
    const hash = await server.upload(bytes);
    await until(async () => (await server.metric('vidpipeline_segments_encoded_total')) >= 1, 60_000, 'encoding');
    await alpha.down();
    await nodesJoin(server, { beta: 1 }); // it is missed
    await alpha.up();
    await nodesJoin(server, { alpha: 1, beta: 1 });
    const video = await server.ended(hash, 200_000);
    assert.equal(video.status, 'completed', video.error);
  });

  test('a stranger at the ports costs no worker its link', { skip, timeout: 120_000 }, async (t) => {
    const { server, alpha } = await startThree(t);
    const idle = (await server.get('/nodes')).body;
    for (const port of [door, door + 1]) {
      const stranger = [...alpha.within, 'bash', '-c', `exec 3<>/dev/tcp/${new URL(server.url).hostname}/${port}`
        + " && printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3 && timeout 5 cat <&3 || true"];
      await run(stranger[0], stranger.slice(1));
    }
    await delay(7_000); // three heartbeats
    assert.ok(!server.log.some((line) => / has left| is lost/.test(line)), server.log.join('\n'));
    assert.deepEqual((await server.get('/nodes')).body, idle);
  });

  test('who has no right to join is refused, and both ends say why', { skip, timeout: 120_000 }, async (t) => {
    const hosts = Hosts.startFor(t);
    const [a, b] = [await hosts.add(1), await hosts.add(2)];
    const certificates = await makeCertificates(t, ['alpha', 'gamma']);
    const others = await makeCertificates(t, ['alpha']);
    const server = await serveOn(t, a, certificates);
    const logged = (words) => until(() => server.log.some((line) => words.test(line)), 10_000, String(words));

    const stranger = startWorker(t, b, joining(server, 'alpha', others));
    assert.notEqual(await stranger.exited, 0);
    assert.match(stranger.log.join('\n'), /another authority/);

    await expire(certificates('gamma'), certificates('server'), 'gamma');
    const late = startWorker(t, b, joining(server, 'gamma', certificates));
    assert.notEqual(await late.exited, 0);
    assert.match(late.log.join('\n'), /gamma\.pem: .* expired on/);

    const older = startWorker(t, b, joining(server, 'alpha', certificates), { binary: otherVersion });
    assert.notEqual(await older.exited, 0);
    assert.match(older.log.join('\n'), /would make other files than this server: vidpipeline \S+ here and 0\.0\.0 there/);
    await logged(/a worker is refused: .* 0\.0\.0 there/);

    const nobody = startWorker(t, b, joining(server, 'beta', certificates));
    assert.notEqual(await nobody.exited, 0);
    assert.match(nobody.log.join('\n'), /beta/);

    // Without TLS there is nothing to hear at either port.
    for (const port of [door, door + 1]) {
      const socket = net.connect(port, a.address);
      let heard = Buffer.alloc(0);
      socket.on('data', (more) => (heard = Buffer.concat([heard, more])));
      socket.on('error', () => {});
      socket.write('GET / HTTP/1.1\r\n\r\n');
      await Promise.race([new Promise((resolve) => socket.on('close', resolve)), delay(8_000)]);
      socket.destroy();
      assert.ok(!/CAF|vidpipeline|"port"/.test(heard.toString('latin1')), heard.toString('latin1'));
    }
    await logged(/is refused: .*TLS/);
    assert.deepEqual((await server.get('/nodes')).body, []);
  });

  test('beyond this machine there is nothing without certificates', { skip, timeout: 30_000 }, async (t) => {
    const folder = await folderFor(t);
    const words = ['serve', '--port', '0', '--data', path.join(folder, 'data'), '--nodes', '127.0.0.1:8100'];
    const { status, stderr } = await vidpipeline([...words, '--certs', path.join(folder, 'none')]);
    assert.notEqual(status, 0);
    assert.match(stderr, /certificate/);
  });
}
