// The library page: files go in by dialog and by drop, are shown on their way, and can be started over and deleted.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { browserFor, drop, makeLargeClip, openPage, picture, scrollsSideways } from '../support/browser.mjs';
import { Network } from '../support/network.mjs';
import { folderFor, makeClip, Server, until } from '../support/vidpipeline.mjs';

const job = (page, name) => page.getByTestId('job').filter({ hasText: name });
const card = (page, name) => page.getByTestId('card').filter({ hasText: name });

async function clips(t, ...names) {
  const folder = await folderFor(t);
  const files = names.map((name) => path.join(folder, name));
  // Of different lengths, so that they are different files.
  for (const [i, file] of files.entries()) await makeClip(file, { seconds: 1 + i, size: '320x180' });
  return files;
}

test('an empty library says what to do, and a chosen file becomes a card with a poster', { timeout: 300_000 }, async (t) => {
  const [file] = await clips(t, 'first film.mp4');
  const server = await Server.startFor(t);
  const page = await openPage(await browserFor(t), server.url);
  await page.locator('.fresh').waitFor();
  await picture(page, 'library-empty');

  await page.getByTestId('files').setInputFiles(file);
  const done = card(page, 'first film');
  await done.waitFor();
  assert.match(await done.innerText(), /0:01[\s\S]*320 × 180/);
  await until(() => done.locator('img').evaluate((image) => image.complete && image.naturalWidth > 0), 30_000, 'the poster');
  assert.equal(await page.locator('.fresh').count(), 0);

  const [video] = (await server.get('/videos')).body;
  assert.equal(video.title, 'first film.mp4');
  const link = new URL(await done.getByRole('link').getAttribute('href'));
  assert.equal(link.pathname + link.search, `/streaming.html?v=${video.video_hash}`);
});

test('several files dropped at once all arrive', { timeout: 300_000 }, async (t) => {
  const files = await clips(t, 'one.mp4', 'two.mp4', 'three.mp4');
  const server = await Server.startFor(t);
  const page = await openPage(await browserFor(t), server.url);
  await drop(page, files);
  for (const name of ['one', 'two', 'three']) await card(page, name).waitFor({ timeout: 60_000 });
  assert.equal((await server.get('/videos')).body.length, 3);
  await picture(page, 'library');
});

test('an upload shows its chunks, pauses, goes on, and can be cancelled', { timeout: 300_000 }, async (t) => {
  const file = await makeLargeClip(path.join(await folderFor(t), 'long way.mp4'), { padding: 40 << 20 });
  const server = await Server.startFor(t);
  const network = await Network.startFor(t, server);
  network.uploadRate = 3e6;
  const page = await openPage(await browserFor(t), network.url);
  await page.getByTestId('files').setInputFiles(file);
  const upload = job(page, 'long way');
  await upload.getByText(/\d %.*MB of 42 MB.*MB\/s.*left/).waitFor();
  await picture(page, 'uploading');

  await upload.getByTestId('pause').click();
  await upload.getByText(/^Paused/).waitFor();
  await until(() => network.now.upload === 0, 30_000, 'the uploads to stop');

  await upload.getByTestId('resume').click();
  await until(() => network.now.upload === 2, 30_000, 'the uploads to go on');

  await upload.getByTestId('cancel').click();
  await page.getByTestId('confirm-yes').click();
  await upload.waitFor({ state: 'detached' });
  await until(async () => (await server.get('/videos')).body.length === 0, 30_000, 'the server to forget it');
});

test('what cannot be played fails with a reason, can be tried again, and deleted', { timeout: 300_000 }, async (t) => {
  const file = path.join(await folderFor(t), 'letter.mp4');
  await writeFile(file, 'Dear film, you are a letter.\n'.repeat(100));
  const server = await Server.startFor(t);
  const page = await openPage(await browserFor(t), server.url);
  await page.getByTestId('files').setInputFiles(file);
  const failed = job(page, 'letter');
  await failed.and(page.locator('[data-status=failed]')).waitFor();
  const [{ error, updated_at: first, video_hash: hash }] = (await server.get('/videos')).body;
  assert.ok(error.length > 10);
  assert.equal(await failed.getByTestId('error').innerText(), error);
  await picture(page, 'failed');

  await failed.getByTestId('retry').click();
  await until(async () => {
    const video = await server.video(hash);
    return video.status === 'failed' && video.updated_at !== first;
  }, 60_000, 'the second try');

  await failed.getByTestId('delete').click();
  await page.getByTestId('confirm').getByRole('button', { name: 'Keep' }).click();
  assert.equal((await server.get('/videos')).body.length, 1);
  await failed.getByTestId('delete').click();
  await page.getByTestId('confirm-yes').click();
  await failed.waitFor({ state: 'detached' });
  assert.equal((await server.get(`/videos/${hash}`)).status, 404);
});

test('an empty file is refused in words, and the others go on', { timeout: 300_000 }, async (t) => {
  const [file] = await clips(t, 'good.mp4');
  const nothing = path.join(path.dirname(file), 'nothing.mp4');
  await writeFile(nothing, '');
  const server = await Server.startFor(t);
  const page = await openPage(await browserFor(t), server.url);
  await page.getByTestId('files').setInputFiles([nothing, file]);
  await job(page, 'nothing').getByTestId('error').getByText('This file is empty.').waitFor();
  await card(page, 'good').waitFor();
});

test('the progress of each rendition is shown, and a title is text', { timeout: 300_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 24, size: '640x360' });
  const server = await Server.startFor(t);
  const page = await openPage(await browserFor(t), server.url);
  const title = '<img src=x onerror="document.title=1"> & "Co"';
  await server.upload(bytes, { title });
  const rungs = job(page, 'Co').getByTestId('rung');
  await rungs.filter({ hasText: '360p' }).getByText(/^[1-9]\d*\/\d+$/).waitFor();
  assert.deepEqual(await rungs.evaluateAll((all) => all.map((one) => one.dataset.rung)), ['360p', '144p', 'audio']);
  await picture(page, 'encoding');
  await card(page, 'Co').waitFor({ timeout: 60_000 });
  assert.equal(await card(page, 'Co').locator('h3').innerText(), title);
  assert.equal(await page.title(), 'VidPipeline');
});

test('everything can be done from the keyboard', { timeout: 300_000 }, async (t) => {
  const [file] = await clips(t, 'keys.mp4');
  const server = await Server.startFor(t);
  await server.upload(await makeClip(file, { seconds: 1, size: '320x180' }), { title: 'keys' });
  const page = await openPage(await browserFor(t), server.url);
  await card(page, 'keys').waitFor();
  await page.getByTestId('drain').waitFor();

  // Every stop shows where the focus is.
  const stops = [];
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('Tab');
    stops.push(await page.evaluate(() => {
      const at = document.activeElement;
      const ring = [getComputedStyle(at), getComputedStyle(at, '::before')].some((style) => style.outlineStyle === 'solid');
      return `${at.getAttribute('aria-label') ?? at.textContent.trim()}${ring ? '' : ' without a ring'}`;
    }));
  }
  assert.deepEqual(stops, ['VidPipeline', 'API', 'Choose files…', 'Drain: local', 'keys', 'Delete: keys']);

  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Keep');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Delete: keys');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await card(page, 'keys').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), 'Choose files…');
});

test('the interface is described, and can be tried', { timeout: 300_000 }, async (t) => {
  const server = await Server.startFor(t);
  const page = await (await browserFor(t)).newPage();
  await page.goto(`${server.url}/docs`);
  const operation = page.locator('.opblock', { has: page.locator('[data-path="/healthz"]') });
  await operation.click();
  await operation.getByText('Execute').click();
  await operation.locator('.live-responses-table .response-col_status').getByText('200').waitFor();
  await picture(page, 'docs');
});

test('it fits a phone, in light and dark', { timeout: 300_000 }, async (t) => {
  const server = await Server.startFor(t);
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 1, size: '320x180' });
  const title = 'A_very_long_name_without_any_space_as_cameras_and_downloads_have_them_2024_11_22_1080p_final_final';
  await server.ended(await server.upload(bytes, { title }));
  await server.ended(await server.upload(Buffer.from('no film'), { title: `${title}_2` }));
  const context = await browserFor(t, { viewport: { width: 320, height: 720 }, colorScheme: 'dark' });
  const page = await openPage(context, server.url);
  await page.getByTestId('card').waitFor();
  await page.getByTestId('job').waitFor();
  assert.equal(await scrollsSideways(page), false);
  await picture(page, 'library-phone-dark', { fullPage: true });
  await page.emulateMedia({ colorScheme: 'light' });
  await picture(page, 'library-phone-light', { fullPage: true });
});

test('a browser without shared workers sends from the page, and says so', { timeout: 300_000 }, async (t) => {
  const [file] = await clips(t, 'alone.mp4');
  const server = await Server.startFor(t);
  const context = await browserFor(t);
  await context.addInitScript(() => delete globalThis.SharedWorker);
  const page = await openPage(context, server.url);
  await page.getByText('keep this page open while files are sent').waitFor();
  await page.getByTestId('files').setInputFiles(file);
  await card(page, 'alone').waitFor();
});

test('the pages of one server work for another', { timeout: 300_000 }, async (t) => {
  const [file] = await clips(t, 'abroad.mp4');
  const pages = await Server.startFor(t);
  const server = await Server.startFor(t);
  const page = await openPage(await browserFor(t), `${pages.url}/?api=${encodeURIComponent(server.url)}`);
  await page.getByTestId('files').setInputFiles(file);
  await card(page, 'abroad').waitFor();
  assert.equal((await pages.get('/videos')).body.length, 0);
  assert.equal((await server.get('/videos')).body.length, 1);

  await card(page, 'abroad').getByRole('link').click();
  await until(() => page.getByTestId('dash-video').evaluate((video) => video.currentTime > 0.3), 60_000, 'to play');
  await page.goto(`${pages.url}/?api=${encodeURIComponent(server.url)}`);
  await card(page, 'abroad').getByTestId('delete').click();
  await page.getByTestId('confirm-yes').click();
  await card(page, 'abroad').waitFor({ state: 'detached' });
});
