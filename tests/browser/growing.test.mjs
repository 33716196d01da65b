// A file without an index is watched while it is uploaded, as far as it has come.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { browserFor, KINDS, openPage, picture, plays, video } from '../support/browser.mjs';
import { Network } from '../support/network.mjs';
import { folderFor, makeClip, Server, until } from '../support/vidpipeline.mjs';

const CHUNK = 1 << 20; // that the pages send

const dataset = (page, kind) => page.getByTestId(kind).evaluate((element) => ({ ...element.dataset }));

test('a Matroska file plays in both players while it grows, to its end', { timeout: 300_000 }, async (t) => {
  const file = path.join(await folderFor(t), 'clip.mkv');
  const { length } = await makeClip(file, { seconds: 40, options: ['-qp', '18'] });
  const server = await Server.startFor(t, { options: ['--preset', 'ultrafast'] });
  const network = await Network.startFor(t, server);
  network.uploadRate = length / 20;
  const page = await openPage(await browserFor(t), network.url);
  await page.getByTestId('files').setInputFiles(file);
  await page.getByTestId('watch').waitFor();
  const hash = await page.getByTestId('job').getAttribute('data-hash');
  await page.getByTestId('watch').click();
  // More than half of it comes, and the rest so slowly that all of what follows is seen before it has come.
  await until(() => network.acknowledged.length * CHUNK > 0.6 * length, 60_000, 'most of the file');
  network.uploadRate = 20_000;

  for (const kind of KINDS) await plays(page, kind, 0.1);
  // From the beginning, not where the file has come to.
  for (const kind of KINDS) assert.ok((await video(page, kind).evaluate(({ played }) => played.start(0))) < 0.5, kind);
  assert.equal((await server.video(hash)).status, 'uploading');
  await picture(page, 'watching-it-grow');
  for (const kind of KINDS) await plays(page, kind, 14, 60_000);
  assert.equal((await server.video(hash)).status, 'uploading');

  network.uploadRate = Infinity;
  assert.equal((await server.ended(hash, 120_000)).status, 'completed');
  const position = page.getByTestId('seek-both');
  await until(async () => (await position.getAttribute('max')) > 39, 30_000, 'both players to know the end');
  await position.fill('36');
  for (const kind of KINDS) await plays(page, kind, 36.5);
  for (const kind of KINDS) {
    await until(() => video(page, kind).evaluate(({ ended }) => ended), 30_000, `the end in ${kind}`);
    assert.ok(Math.abs((await video(page, kind).evaluate(({ duration }) => duration)) - 40) < 0.2, kind);
    const { errors, lastError } = await dataset(page, kind);
    assert.equal(errors, '0', `${kind}: ${lastError}`);
  }
});
