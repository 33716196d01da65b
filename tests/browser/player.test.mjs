// The player page: HLS and DASH side by side.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { at, browserFor, KINDS, makeLargeClip, openPage, picture, plays, scrollsSideways, video } from '../support/browser.mjs';
import { Network } from '../support/network.mjs';
import { clip, failpoints, folderFor, makeClip, run, Server, temporaryFolder, until } from '../support/vidpipeline.mjs';

// The film clip takes a while: one server has it for all tests.
let server;
let film;
before(async () => {
  server = await Server.start({ data: await temporaryFolder() });
  film = await server.upload(await readFile(clip), { title: 'Big Buck Bunny' });
  const video = await server.ended(film, 600_000);
  assert.equal(video.status, 'completed', video.error);
}, { timeout: 660_000 });
after(() => server.stop());

const player = (page, kind) => page.getByTestId(kind);
const figure = (page, kind, name) => player(page, kind).locator(`[data-figure=${name}]`);

async function assertNoErrors(page) {
  for (const kind of KINDS) {
    const { errors, lastError } = await player(page, kind).evaluate((element) => ({ ...element.dataset }));
    assert.equal(errors, '0', `${kind}: ${lastError}`);
    assert.equal(await video(page, kind).evaluate((element) => element.error), null);
  }
}

/** Chooses a rendition and waits until its picture is shown. */
async function choose(page, kind, name) {
  await player(page, kind).locator(`input[data-rendition="${name}"]`).check({ force: true });
  const lines = parseInt(name, 10);
  await until(
    () => video(page, kind).evaluate((element, height) => element.videoHeight === height, lines),
    60_000,
    `${kind} in ${name}`,
  );
}

test('both play, seek to 20 s and change rendition, without an error event', { timeout: 300_000 }, async (t) => {
  const page = await openPage(await browserFor(t), `${server.url}/streaming.html?v=${film}`);
  assert.equal(await page.getByTestId('title').innerText(), 'Big Buck Bunny');
  for (const kind of KINDS) await plays(page, kind, 1);

  const names = await player(page, 'hls').locator('input[data-rendition]').evaluateAll((all) => all.map((one) => one.dataset.rendition));
  assert.deepEqual(names, ['auto', '1080p', '720p', '480p', '360p', '144p']);
  assert.deepEqual(
    await player(page, 'dash').locator('input[data-rendition]').evaluateAll((all) => all.map((one) => one.dataset.rendition)),
    names,
  );

  await page.getByTestId('seek-both').fill('20');
  for (const kind of KINDS) await plays(page, kind, 20.5);
  for (const kind of KINDS) assert.ok((await at(page, kind)) < 30);

  for (const kind of KINDS) {
    for (const name of ['360p', '720p']) {
      await page.getByTestId('seek-both').fill('2');
      await choose(page, kind, name);
      await figure(page, kind, 'rendition').getByText(name).waitFor();
      await plays(page, kind, 3);
    }
  }
  await page.getByTestId('seek-both').fill('24');
  await page.getByTestId('play-both').getByText('Pause both').waitFor();
  for (const kind of KINDS) {
    await until(() => video(page, kind).evaluate(({ ended }) => ended), 60_000, `${kind} to reach the end`);
    assert.ok(Math.abs((await at(page, kind)) - 30) < 0.1);
  }
  await assertNoErrors(page);
});

test('the figures under each player are alive', { timeout: 300_000 }, async (t) => {
  const page = await openPage(await browserFor(t), `${server.url}/streaming.html?v=${film}`);
  for (const kind of KINDS) {
    await plays(page, kind, 1);
    await figure(page, kind, 'bandwidth').getByText(/\d [kMG]b\/s/).waitFor();
    await figure(page, kind, 'buffer').getByText(/^[1-9][\d.]* s$/).waitFor();
    await figure(page, kind, 'picture').getByText(/^\d+ × \d+$/).waitFor();
    await figure(page, kind, 'dropped').getByText(/^\d+ of [1-9]\d*$/).waitFor();
    await figure(page, kind, 'downloaded').getByText(/^[1-9].* [kM]B$/).waitFor();
    assert.ok((await player(page, kind).locator('.strip [data-rung]').count()) > 1);
  }
  await picture(page, 'player', { fullPage: true });
});

test('the two stay in step, and only the chosen one is heard', { timeout: 300_000 }, async (t) => {
  const page = await openPage(await browserFor(t), `${server.url}/streaming.html?v=${film}`);
  for (const kind of KINDS) await plays(page, kind, 0.5);
  await video(page, 'dash').evaluate((element) => (element.currentTime = 15));
  await plays(page, 'hls', 15);
  await until(async () => Math.abs((await at(page, 'hls')) - (await at(page, 'dash'))) < 0.3, 60_000, 'the same place');
  await video(page, 'hls').evaluate((element) => element.pause());
  await until(() => video(page, 'dash').evaluate(({ paused }) => paused), 5_000, 'the other to pause');

  const muted = () => Promise.all(KINDS.map((kind) => video(page, kind).evaluate((element) => element.muted)));
  assert.deepEqual(await muted(), [true, true]);
  await page.locator('input[data-sound=DASH]').check({ force: true });
  assert.deepEqual(await muted(), [true, false]);
  await page.locator('input[data-sound=HLS]').check({ force: true });
  assert.deepEqual(await muted(), [false, true]);
});

test('watching in one tab while another uploads: two uploads and one event stream, no more', { timeout: 300_000 }, async (t) => {
  const folder = await folderFor(t);
  const network = await Network.startFor(t, server);
  network.uploadRate = 5e5;
  const context = await browserFor(t);
  const library = await openPage(context, network.url);
  const second = await openPage(context, network.url);
  const files = ['a.mp4', 'b.mp4', 'c.mp4'].map((name) => path.join(folder, name));
  for (const [i, file] of files.entries()) await makeLargeClip(file, { padding: (30 + i) << 20 });
  await library.getByTestId('files').setInputFiles(files.slice(0, 2));
  await second.getByTestId('files').setInputFiles(files.slice(2));
  await until(() => network.now.upload === 2, 30_000, 'two uploads');

  const page = await openPage(context, `${network.url}/streaming.html?v=${film}`);
  for (const kind of KINDS) await plays(page, kind, 4);
  await page.getByTestId('seek-both').fill('20');
  for (const kind of KINDS) await plays(page, kind, 21);
  await until(() => network.now.upload === 2, 5_000, 'two uploads, still');
  assert.deepEqual([network.most.upload, network.most.events, network.now.events], [2, 1, 1]);

  const waited = await page.evaluate(() => performance.getEntriesByType('resource')
    .filter(({ name }) => name.endsWith('.m4s'))
    .map(({ startTime, requestStart }) => requestStart - startTime));
  assert.ok(waited.length > 10);
  t.diagnostic(`a fragment waited ${Math.max(...waited).toFixed(0)} ms at most for a connection`);
  assert.ok(Math.max(...waited) < 1000);
  await assertNoErrors(page);
  for (const name of ['a', 'b', 'c']) {
    await library.getByTestId('job').filter({ hasText: new RegExp(`^${name}`) }).getByTestId('cancel').click();
    await library.getByTestId('confirm-yes').click();
  }
  await library.getByTestId('active').getByTestId('job').first().waitFor({ state: 'detached' });
});

test('a page that is open before the video is done shows its progress and then plays', { timeout: 300_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 12, size: '1280x720' });
  const network = await Network.startFor(t, server);
  const hash = await server.upload(bytes, { title: 'early', finalize: false });
  const page = await openPage(await browserFor(t), `${network.url}/streaming.html?v=${hash}`);
  await page.getByTestId('progress').getByTestId('job').and(page.locator('[data-status=uploading]')).waitFor();
  await server.request('POST', `/videos/finalize/${hash}`);
  await page.getByTestId('progress').getByTestId('rung').first().waitFor();
  await picture(page, 'player-before');
  for (const kind of KINDS) await plays(page, kind, 1, 60_000);
  await assertNoErrors(page);

  await server.request('DELETE', `/videos/${hash}`);
  await page.getByTestId('notice').getByText('This video was deleted.').waitFor();
  await page.getByTestId('stage').waitFor({ state: 'hidden' });
  for (const kind of KINDS) assert.equal(await video(page, kind).evaluate(({ readyState }) => readyState), 0);
});

test('sound alone plays', { timeout: 300_000 }, async (t) => {
  const file = path.join(await folderFor(t), 'tone.mp3');
  await run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=frequency=440:duration=14', '-b:a', '128k', file]);
  const hash = await server.upload(await readFile(file), { title: 'tone.mp3' });
  assert.equal((await server.ended(hash)).status, 'completed');
  const page = await openPage(await browserFor(t), `${server.url}/streaming.html?v=${hash}`);
  for (const kind of KINDS) {
    await plays(page, kind, 1);
    await figure(page, kind, 'rendition').getByText('audio').waitFor();
  }
  await page.getByTestId('seek-both').fill('10');
  for (const kind of KINDS) await plays(page, kind, 10.5);
  await assertNoErrors(page);
  await picture(page, 'player-audio');
});

test('players that lost the server go on when it is back, in the chosen rendition', { timeout: 300_000 }, async (t) => {
  const network = await Network.startFor(t, server);
  const page = await openPage(await browserFor(t), `${network.url}/streaming.html?v=${film}`);
  for (const kind of KINDS) {
    await plays(page, kind, 0.5);
    await choose(page, kind, '1080p');
  }
  await network.cut();
  await page.getByTestId('banner').waitFor();
  // What is not in the buffer, so that both must load: another rendition, and another place.
  for (const kind of KINDS) await player(page, kind).locator('input[data-rendition="480p"]').check({ force: true });
  await page.getByTestId('seek-both').fill('25');
  await Promise.all(KINDS.map((kind) =>
    until(() => video(page, kind).evaluate(({ readyState }) => readyState < 3), 60_000, `${kind} to run dry`)));
  await network.restore();
  for (const kind of KINDS) {
    await plays(page, kind, 26);
    await figure(page, kind, 'rendition').getByText('480p').waitFor();
    assert.ok(await player(page, kind).locator('input[data-rendition="480p"]').isChecked());
    assert.equal(await player(page, kind).getByTestId('player-error').isVisible(), false);
  }
});

test('a server that is busy is asked again until it has time, and nothing of it is an error', { timeout: 300_000 }, async (t) => {
  const network = await Network.startFor(t, server);
  network.busy = true;
  const page = await openPage(await browserFor(t), `${network.url}/streaming.html?v=${film}`);
  // More often than hls.js asks of itself.
  await until(() => network.refused >= 60, 120_000, 'the players to insist');
  network.busy = false;
  for (const kind of KINDS) await plays(page, kind, 1);
  await assertNoErrors(page);
});

test('a video that fails while it is watched leaves its words, and no players', { timeout: 300_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 60, size: '1280x720' });
  const data = await folderFor(t);
  const calm = await Server.start({ data, options: ['--workers', '0'] });
  const hash = await calm.upload(bytes, { title: 'doomed', finalize: false });
  await calm.stop();
  const doomed = await Server.startFor(t, {
    data,
    binary: failpoints,
    options: ['--workers', '1'],
    environment: { VIDPIPELINE_TEST_MISDEEDS: `encode/${hash}/12=crash` },
  });
  const page = await openPage(await browserFor(t), `${doomed.url}/streaming.html?v=${hash}`);
  await doomed.finalize(hash);
  for (const kind of KINDS) await plays(page, kind, 0.1);
  await page.getByTestId('error').getByText('SIGSEGV').waitFor();
  await page.getByTestId('stage').waitFor({ state: 'hidden' });
  for (const kind of KINDS) assert.equal(await video(page, kind).evaluate(({ readyState }) => readyState), 0);
});

test('what is not there is said', { timeout: 300_000 }, async (t) => {
  const context = await browserFor(t);
  const unknown = await openPage(context, `${server.url}/streaming.html?v=${'0'.repeat(64)}`);
  await unknown.getByTestId('notice').getByText('There is no such video here.').waitFor();
  const nothing = await openPage(context, `${server.url}/streaming.html`);
  await nothing.getByTestId('notice').getByText('No video was asked for.').waitFor();
  const hash = await server.upload(Buffer.from('no film at all'), { title: 'broken' });
  const { error } = await server.ended(hash);
  const failed = await openPage(context, `${server.url}/streaming.html?v=${hash}`);
  assert.equal(await failed.getByTestId('error').innerText(), error);
  await failed.getByTestId('delete').click();
  await failed.getByTestId('confirm-yes').click();
  await failed.getByTestId('notice').getByText('This video was deleted.').waitFor();
});

test('a phone and a keyboard are enough', { timeout: 300_000 }, async (t) => {
  const context = await browserFor(t, { viewport: { width: 320, height: 720 }, colorScheme: 'dark' });
  const page = await openPage(context, `${server.url}/streaming.html?v=${film}`);
  for (const kind of KINDS) await plays(page, kind, 1);
  assert.equal(await scrollsSideways(page), false);
  await picture(page, 'player-phone-dark', { fullPage: true });

  await page.getByTestId('play-both').focus();
  await page.keyboard.press('Enter');
  for (const kind of KINDS) assert.equal(await video(page, kind).evaluate(({ paused }) => paused), true);
  await page.keyboard.press('Tab');
  await page.keyboard.press('End');
  for (const kind of KINDS) assert.ok((await at(page, kind)) > 29);
  await page.keyboard.press('Home');
  await player(page, 'hls').locator('input[data-rendition=auto]').focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await until(() => video(page, 'hls').evaluate(({ videoHeight }) => videoHeight === 720), 60_000, 'the rendition');
});
