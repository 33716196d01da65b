// `vidpipeline certs`, from outside: what it makes, judged by node's own OpenSSL, and what it says.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { folderFor, vidpipeline } from '../support/vidpipeline.mjs';

const clientAuth = '1.3.6.1.5.5.7.3.2';
const serverAuth = '1.3.6.1.5.5.7.3.1';
const day = 86_400_000;

const certificateIn = async (folder, name) => new X509Certificate(await readFile(path.join(folder, `${name}.pem`)));
const contentOf = async (folder, name) => (await readFile(path.join(folder, name))).toString();

/** The days from now to the end of a certificate. */
const daysLeft = (certificate) => Math.round((Date.parse(certificate.validTo) - Date.now()) / day);

/** A folder in which `vidpipeline certs` runs, with its authority made. */
async function withAuthority(t) {
  const cwd = await folderFor(t);
  const certs = (...words) => vidpipeline(['certs', ...words], { cwd });
  const made = await certs('init');
  assert.equal(made.status, 0, made.stderr);
  return { certs, made, folder: path.join(cwd, 'certs') };
}

test('init makes an authority and the certificate of the server', { timeout: 60_000 }, async (t) => {
  const { made, folder } = await withAuthority(t);
  assert.deepEqual((await readdir(folder)).sort(), ['ca.key', 'ca.pem', 'server.key', 'server.pem']);
  for (const key of ['ca.key', 'server.key']) {
    assert.equal((await stat(path.join(folder, key))).mode & 0o777, 0o600);
  }
  const authority = await certificateIn(folder, 'ca');
  assert.ok(authority.ca);
  assert.ok(authority.verify(authority.publicKey));
  assert.ok(Math.abs(daysLeft(authority) - 3652) <= 2);
  assert.ok(made.stdout.includes(authority.fingerprint256.replaceAll(':', '').toLowerCase()));

  const server = await certificateIn(folder, 'server');
  assert.ok(server.checkIssued(authority) && server.verify(authority.publicKey));
  assert.ok(!server.ca);
  assert.equal(server.subject, 'CN=server');
  assert.equal(server.subjectAltName, 'DNS:server');
  assert.deepEqual(server.keyUsage, [serverAuth, clientAuth]);
  assert.equal(daysLeft(server), 825);
  for (const file of ['ca.key', 'ca.pem', 'server.pem', 'server.key']) {
    assert.ok(made.stdout.includes(path.join('certs', file)), made.stdout);
  }
});

test('issue makes a certificate that is good for a worker only', { timeout: 60_000 }, async (t) => {
  const { certs, folder } = await withAuthority(t);
  const issued = await certs('issue', 'gpu-1', '--days', '30');
  assert.equal(issued.status, 0, issued.stderr);
  const authority = await certificateIn(folder, 'ca');
  const worker = await certificateIn(folder, 'gpu-1');
  assert.ok(worker.checkIssued(authority) && worker.verify(authority.publicKey));
  assert.deepEqual(worker.keyUsage, [clientAuth]);
  assert.equal(daysLeft(worker), 30);
  const until = new Date(worker.validTo).toISOString().slice(0, 10);
  assert.equal(issued.stdout, `Made a certificate for gpu-1, valid until ${until}. Copy these three files to the worker, \
and no other:\n  certs/gpu-1.pem\n  certs/gpu-1.key\n  certs/ca.pem\n`);
});

test('nothing is replaced but with --force, and the authority never', { timeout: 60_000 }, async (t) => {
  const { certs, folder } = await withAuthority(t);
  const authority = await contentOf(folder, 'ca.key');
  const again = await certs('init');
  assert.notEqual(again.status, 0);
  assert.equal(again.stderr, 'vidpipeline: certs/ca.key is there already\n');

  const server = await certificateIn(folder, 'server');
  const kept = await certs('issue', 'server');
  assert.notEqual(kept.status, 0);
  assert.equal(kept.stderr, 'vidpipeline: certs/server.key is there already; --force replaces it\n');
  assert.equal((await certificateIn(folder, 'server')).serialNumber, server.serialNumber);

  assert.equal((await certs('issue', 'server', '--force')).status, 0);
  const renewed = await certificateIn(folder, 'server');
  assert.notEqual(renewed.serialNumber, server.serialNumber);
  assert.deepEqual(renewed.keyUsage, [serverAuth, clientAuth]); // it stays a server's

  const refused = await certs('issue', 'ca', '--force');
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /^vidpipeline: 'ca' can't be a machine's name/);
  assert.equal(await contentOf(folder, 'ca.key'), authority);
});

test('issue says what is missing', { timeout: 60_000 }, async (t) => {
  const folder = path.join(await folderFor(t), 'elsewhere');
  const words = ['--folder', folder];
  const early = await vidpipeline(['certs', 'issue', 'gpu-1', ...words]);
  assert.notEqual(early.status, 0);
  assert.equal(early.stderr,
    `vidpipeline: there is no authority in ${folder}: ca.pem is missing; \`vidpipeline certs init\` makes one\n`);
  assert.equal((await vidpipeline(['certs', 'init', ...words])).status, 0);
  assert.equal((await vidpipeline(['certs', 'issue', 'gpu-1', ...words])).status, 0);
  assert.ok((await readdir(folder)).includes('gpu-1.key'));
  for (const wrong of [['issue'], ['issue', 'gpu-2', '--days', '0'], ['issue', 'GPU'], []]) {
    assert.notEqual((await vidpipeline(['certs', ...wrong, ...words])).status, 0);
  }
  assert.equal((await readdir(folder)).length, 6);
});
