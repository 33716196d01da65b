// Chromium for a test, with a profile of its own.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { makeClip, remove, root, temporaryFolder, until } from './vidpipeline.mjs';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Opens a browser; its pages' errors, and what they want from elsewhere, fail the test at its end. `profile`: a folder, to come back to it later. */
export async function browserFor(t, { profile, ...options } = {}) {
  const folder = profile ?? (await temporaryFolder());
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
    viewport: { width: 1280, height: 900 },
    ...options,
  });
  const errors = [];
  context.on('weberror', (error) => errors.push(error.error().stack ?? String(error.error())));
  context.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') errors.push(`${request.url()} is on another machine`);
  });
  // A busy machine may take its time.
  context.setDefaultTimeout(60_000);
  t.after(async () => {
    await context.close();
    if (!profile) await remove(folder);
    if (errors.length > 0) throw new Error(`errors in pages:\n${errors.join('\n')}`);
  });
  return context;
}

/** Opens a page of a server and waits until it is connected. */
export async function openPage(context, url) {
  const page = await context.newPage();
  await page.goto(url);
  await page.locator('[data-testid=server][data-state=online]').waitFor();
  return page;
}

/** What is dropped on the page comes as from the desktop, with real files. */
export async function drop(page, files) {
  const client = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  const box = await page.locator('[data-testid=drop]').boundingBox();
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await client.send('Input.dispatchDragEvent', { type, x: box.x + box.width / 2, y: box.y + box.height / 2, data });
  }
  await client.detach();
}

/** A clip that is encoded in no time and takes a while to send: a small MP4 with a `free` box of `padding` bytes behind. */
export async function makeLargeClip(file, { padding, ...options }) {
  const clip = await makeClip(file, { seconds: 2, size: '320x180', ...options });
  const header = Buffer.alloc(8);
  header.writeUInt32BE(8 + padding, 0);
  header.write('free', 4);
  await writeFile(file, Buffer.concat([clip, header, Buffer.alloc(padding, 'vidpipeline')]));
  return file;
}

/** Keeps a picture of the page in the build folder, to look at. */
export async function picture(page, name, options = {}) {
  const folder = path.join(root, 'build/screenshots');
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), ...options });
}

/** The players of the streaming page: their video elements, where they are, and that they play on from there. */
export const KINDS = ['hls', 'dash'];
export const video = (page, kind) => page.getByTestId(`${kind}-video`);
export const at = (page, kind) => video(page, kind).evaluate(({ currentTime }) => currentTime);
export async function plays(page, kind, beyond, limit = 60_000) {
  await until(async () => (await at(page, kind)) > beyond, limit, `${kind} to play beyond ${beyond} s`);
}

/** Whether the page is wider than its window. */
export function scrollsSideways(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
}
