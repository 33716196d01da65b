// An upload outlives the page, the browser, the network and the server, and sends no acknowledged chunk again.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { browserFor, drop, makeLargeClip, openPage, picture } from '../support/browser.mjs';
import { Network } from '../support/network.mjs';
import { folderFor, Server, until } from '../support/vidpipeline.mjs';

const CHUNK_SIZE = 1 << 20;

/** A server behind a slow network, and a file of some fifty chunks. */
async function slowUpload(t, options = {}) {
  const folder = await folderFor(t);
  const file = await makeLargeClip(path.join(folder, 'journey.mp4'), { padding: 50 << 20 });
  const server = await Server.startFor(t, options);
  const network = await Network.startFor(t, server);
  network.uploadRate = 8e6;
  network.chunks = Math.ceil((await stat(file)).size / CHUNK_SIZE);
  return { file, server, network, profile: path.join(folder, 'profile') };
}

const job = (page) => page.getByTestId('job').filter({ hasText: 'journey' });
const someChunks = (network, count = 2) =>
  until(() => network.acknowledged.length >= count, 60_000, `${count} chunks`);

/** It arrives, and every chunk was acknowledged once, but for those that came in when nobody was there any more. */
async function arrives(page, network) {
  network.uploadRate = Infinity;
  await page.getByTestId('card').filter({ hasText: 'journey' }).waitFor();
  const { acknowledged, unanswered, chunks } = network;
  assert.equal(new Set(acknowledged).size, acknowledged.length);
  assert.equal(new Set([...acknowledged, ...unanswered]).size, chunks);
}

test('a reload does not stop it', { timeout: 300_000 }, async (t) => {
  const { file, network } = await slowUpload(t);
  const page = await openPage(await browserFor(t), network.url);
  await page.getByTestId('files').setInputFiles(file);
  await someChunks(network);
  await page.reload();
  await job(page).and(page.locator('[data-state=running]')).waitFor();
  await arrives(page, network);
});

test('a visit to another page and back does not stop it', { timeout: 300_000 }, async (t) => {
  const { file, network } = await slowUpload(t);
  const page = await openPage(await browserFor(t), network.url);
  await page.getByTestId('files').setInputFiles(file);
  await someChunks(network, 1);
  const hash = await job(page).getAttribute('data-hash');
  await page.goto(`${network.url}/streaming.html?v=${hash}`);
  await page.getByTestId('progress').getByText(/% · .*MB of 53 MB/).waitFor();
  await someChunks(network, 3);
  await page.goto(network.url);
  await arrives(page, network);
});

test('after the browser was closed, the same file goes on where it was', { timeout: 300_000 }, async (t) => {
  const { file, server, network, profile } = await slowUpload(t);
  const first = await browserFor(t, { profile });
  const before = await openPage(first, network.url);
  await before.getByTestId('files').setInputFiles(file);
  await someChunks(network, 3);
  await first.close();

  const page = await openPage(await browserFor(t, { profile }), network.url);
  await job(page).getByText(/\d+ % is there · drop “journey.mp4” again to go on/).waitFor();
  await picture(page, 'interrupted');
  await drop(page, [file]);
  await arrives(page, network);
  assert.equal((await server.get('/videos')).body.length, 1);
});

test('after the browser was closed, a file that it may open goes on by itself', { timeout: 300_000 }, async (t) => {
  const { file, network, profile } = await slowUpload(t);
  const first = await browserFor(t, { profile });
  const before = await openPage(first, network.url);
  // A file of the page's own file system is one that may be opened without asking; its handle is like any other's.
  await before.evaluate(() => {
    const input = document.body.appendChild(document.createElement('input'));
    Object.assign(input, { type: 'file', id: 'copy' });
  });
  await before.locator('#copy').setInputFiles(file);
  await before.evaluate(async () => {
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle('journey.mp4', { create: true });
    const stream = await handle.createWritable();
    await stream.write(document.querySelector('#copy').files[0]);
    await stream.close();
    window.showOpenFilePicker = async () => [handle];
  });
  await before.getByTestId('choose').click();
  await someChunks(network);
  await first.close();

  const page = await openPage(await browserFor(t, { profile }), network.url);
  await arrives(page, network);
});

test('another file is not taken for the one that was begun', { timeout: 300_000 }, async (t) => {
  const { file, server, network, profile } = await slowUpload(t);
  const other = await makeLargeClip(path.join(path.dirname(file), 'other.mp4'), { padding: 9 << 20, seconds: 1 });
  const first = await browserFor(t, { profile });
  const before = await openPage(first, network.url);
  await before.getByTestId('files').setInputFiles(file);
  await someChunks(network);
  await first.close();

  const context = await browserFor(t, { profile });
  // A browser whose file dialog gives no handles.
  await context.addInitScript(() => delete window.showOpenFilePicker);
  const page = await openPage(context, network.url);
  const chooser = page.waitForEvent('filechooser');
  await job(page).getByTestId('go-on').click();
  await (await chooser).setFiles(other);
  await page.getByTestId('status').getByText('That is another file').waitFor();
  assert.equal((await server.get('/videos')).body.length, 1);

  const again = page.waitForEvent('filechooser');
  await job(page).getByTestId('go-on').click();
  await (await again).setFiles(file);
  await arrives(page, network);
});

test('a lost network is said, and it goes on by itself', { timeout: 300_000 }, async (t) => {
  const { file, network } = await slowUpload(t);
  const page = await openPage(await browserFor(t), network.url);
  await page.getByTestId('files').setInputFiles(file);
  await someChunks(network);
  await network.cut();
  await page.getByTestId('banner').getByText('is not answering').waitFor();
  await job(page).getByText('Trying again').waitFor();
  await picture(page, 'away');
  await network.restore();
  await page.getByTestId('banner').waitFor({ state: 'hidden' });
  await page.getByTestId('status').getByText('The server is back.').waitFor();
  await arrives(page, network);
});

test('a server that is killed and starts again gets the rest', { timeout: 300_000 }, async (t) => {
  const data = await folderFor(t);
  const { file, server, network } = await slowUpload(t, { data });
  const page = await openPage(await browserFor(t), network.url);
  await page.getByTestId('files').setInputFiles(file);
  await someChunks(network);
  await server.kill();
  await page.getByTestId('banner').waitFor();
  network.server = await Server.startFor(t, { data });
  await arrives(page, network);
});

test('a page that comes while the server is away says so, and finds it', { timeout: 300_000 }, async (t) => {
  const pages = await Server.startFor(t);
  const server = await Server.startFor(t);
  const network = await Network.startFor(t, server);
  await network.cut();
  const context = await browserFor(t);
  const page = await context.newPage();
  await page.goto(`${pages.url}/?api=${network.url}`);
  await page.getByTestId('banner').getByText('is not answering').waitFor();
  await network.restore();
  await page.locator('[data-testid=server][data-state=online]').waitFor();
  await page.locator('.fresh').waitFor();
});
