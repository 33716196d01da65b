// A film is watched while it is uploaded, over a network that takes its time.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { at, browserFor, KINDS, openPage, picture, plays } from '../support/browser.mjs';
import { Network } from '../support/network.mjs';
import { clip, Server } from '../support/vidpipeline.mjs';

/** One that has come to its end by now does not go on by itself. */
const playOn = (page, kind) => page.getByTestId(`${kind}-video`).evaluate((video) => video.play());

test('the film plays in both players long before its upload ends, with seeking, and goes on when it has', { timeout: 600_000 }, async (t) => {
  const server = await Server.startFor(t);
  const network = await Network.startFor(t, server);
  network.uploadRate = 2e5;
  const page = await openPage(await browserFor(t), network.url);
  await page.getByTestId('files').setInputFiles(clip);
  const begun = Date.now();
  const watch = page.getByTestId('watch');
  await watch.waitFor();
  const hash = await page.getByTestId('job').getAttribute('data-hash');
  await picture(page, 'watch-at-once');
  await watch.click();

  for (const kind of KINDS) await plays(page, kind, 0.1);
  t.diagnostic(`both play ${((Date.now() - begun) / 1000).toFixed(1)} s after the file was chosen`);
  for (const kind of KINDS) await plays(page, kind, 1);
  assert.equal((await server.video(hash)).status, 'uploading');
  const matrix = page.getByTestId('matrix');
  const arrived = Number(await matrix.getByRole('progressbar', { name: 'File' }).getAttribute('aria-valuenow'));
  assert.ok(arrived > 0 && arrived < 100, `${arrived} %`);

  const sought = Date.now();
  await page.getByTestId('seek-both').fill('25');
  for (const kind of KINDS) await plays(page, kind, 25.1);
  t.diagnostic(`both play at 25 s ${((Date.now() - sought) / 1000).toFixed(1)} s after the seek`);
  assert.equal((await server.video(hash)).status, 'uploading');
  await picture(page, 'watching-at-once');

  // A place in the matrix is that place of the film.
  const { width, height } = await matrix.boundingBox();
  await matrix.click({ position: { x: width / 3, y: height / 2 } });
  for (const kind of KINDS) {
    await playOn(page, kind);
    const now = await at(page, kind);
    assert.ok(now > 9.5 && now < 15, `${kind} is at ${now} s`);
  }
  for (const kind of KINDS) await plays(page, kind, 12, 120_000);
  network.uploadRate = Infinity;
  assert.equal((await server.ended(hash, 300_000)).status, 'completed');
  await page.getByTestId('progress').getByTestId('job').waitFor({ state: 'detached' });
  await page.getByTestId('seek-both').fill('20');
  for (const kind of KINDS) {
    await playOn(page, kind);
    await plays(page, kind, 20.5);
    const { errors, lastError } = await page.getByTestId(kind).evaluate((element) => ({ ...element.dataset }));
    assert.equal(errors, '0', `${kind}: ${lastError}`);
  }
});
