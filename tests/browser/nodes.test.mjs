// The nodes on the library page: what they do, and that they can be drained.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { browserFor, openPage, picture, scrollsSideways } from '../support/browser.mjs';
import { folderFor, makeClip, Server, until } from '../support/vidpipeline.mjs';

const states = (node) => node.getByTestId('slot').evaluateAll((all) => all.map((slot) => slot.dataset.state));

test('a node is seen at work, and is drained', { timeout: 300_000 }, async (t) => {
  const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 120 });
  const server = await Server.startFor(t, { options: ['--workers', '2'] });
  const page = await openPage(await browserFor(t), server.url);
  const node = page.getByTestId('node').and(page.locator('[data-name=local]'));
  await until(async () => (await states(node)).join() === 'idle,idle,idle,idle', 60_000, 'its slots to show up');
  await node.getByText('Idle').waitFor();
  await picture(page, 'nodes-idle', { fullPage: true });

  const hash = await server.upload(bytes, { title: 'a film.mp4' });
  await node.and(page.locator('[data-state=working]')).waitFor();
  await node.getByText(/^a film: segments? \d+(, \d+)?$/).waitFor();
  await node.getByText(/^\d+(\.\d)? segments\/s$/).waitFor();
  assert.ok((await states(node)).includes('busy'));
  await picture(page, 'nodes-working');
  await page.setViewportSize({ width: 390, height: 844 });
  assert.equal(await scrollsSideways(page), false);
  await picture(page, 'nodes-working-phone', { fullPage: true });
  await page.setViewportSize({ width: 1280, height: 900 });

  await node.getByTestId('drain').click();
  await page.getByTestId('confirm').getByRole('button', { name: 'Keep' }).click();
  assert.equal((await server.get('/nodes')).body[0].drained, false);
  await node.getByTestId('drain').click();
  await page.getByTestId('confirm-yes').click();
  await node.and(page.locator('[data-state=drained]')).waitFor();
  await until(async () => (await states(node)).join() === 'drained,drained,drained,drained', 60_000, 'what it has to end');
  await node.getByText('Drained until it is started again').waitFor();
  assert.equal(await node.getByTestId('drain').isVisible(), false);
  assert.equal((await server.get('/nodes')).body[0].drained, true);
  assert.equal((await server.video(hash)).status, 'processing');
  await picture(page, 'nodes-drained');
});

test('a server without encoders says so', { timeout: 300_000 }, async (t) => {
  const server = await Server.startFor(t, { options: ['--workers', '0'] });
  const page = await openPage(await browserFor(t), server.url);
  await page.getByText('No encoders are connected').waitFor();
  assert.equal(await page.getByTestId('nodes').isVisible(), false);
  assert.equal(await page.getByRole('heading', { name: 'Nodes' }).count(), 0);
  await picture(page, 'nodes-none');
});
