// An upload in whatever order, and what is there of its video meanwhile.

import assert from 'node:assert/strict';
import http from 'node:http';

import { findIndex } from '../../client/boxes.js';
import { inSendingOrder } from '../../client/chunks.js';
import { until } from './vidpipeline.mjs';

export const chunkSize = 64 << 10;

/** The same in a random order. */
export const shuffled = (list) => list.map((one) => [Math.random(), one]).sort(([x], [y]) => x - y).map(([, one]) => one);

/** An upload that is made chunk by chunk, in whatever order. */
export class Upload {
  constructor(server, bytes, { size = chunkSize } = {}) {
    this.server = server;
    this.bytes = bytes;
    this.chunkSize = size;
  }

  async begin() {
    const { video_hash: hash, missing_chunks: missing } = await this.server.begin(this.bytes, { chunkSize: this.chunkSize });
    this.hash = hash;
    this.missing = new Set(missing);
    return this;
  }

  /** Resolves to the chunks that the server wants next. */
  async send(index) {
    const { wanted_chunks: wanted } = await this.server.sendChunk(this.hash, this.bytes, index, this.chunkSize);
    this.missing.delete(index);
    return wanted;
  }

  /** Sends all of these bytes for a chunk but the last one; what is answered ends the request. */
  sendNearly(index, bytes) {
    const url = `${this.server.url}/videos/upload_chunk/${this.hash}/${index}`;
    const request = http.request(url, { method: 'POST', headers: { 'Content-Length': bytes.length } });
    request.on('error', () => {}); // it is ended on purpose
    request.write(bytes.subarray(0, -1));
    return () => request.destroy();
  }

  async sendRange(from, to) {
    let wanted = [];
    for (let index = Math.floor(from / this.chunkSize); index * this.chunkSize < to; ++index) wanted = await this.send(index);
    return wanted;
  }

  async sendRest(order = (indexes) => indexes) {
    for (const index of order([...this.missing])) await this.send(index);
    await this.server.finalize(this.hash);
  }

  /** The index, wherever it is, and the first MiB behind the beginning or behind the index. */
  async sendHead() {
    const [begin, end] = await findIndex(new Blob([this.bytes]));
    await this.sendRange(begin, end);
    const head = begin < 1 << 20 ? end + (1 << 20) : 1 << 20;
    await this.sendRange(0, Math.min(head, this.bytes.length));
  }

  /** What is missing, as the pages send it. */
  async inSendingOrder() {
    const index = await findIndex(new Blob([this.bytes]));
    return inSendingOrder([...this.missing], { index, chunkSize: this.chunkSize, size: this.bytes.length });
  }

  /** From the beginning up to this part of the file. */
  async sendUpTo(part) {
    for (const index of [...this.missing]) if ((index + 1) * this.chunkSize <= part * this.bytes.length) await this.send(index);
  }

  playable() {
    return until(async () => {
      const video = await this.server.video(this.hash);
      return video.hls_url && video;
    }, 20_000, 'manifests');
  }
}

/** The fragments' addresses in the playlist of a rendition, as this server has them; a list that `grows` has no end. */
export async function fragmentsOf(server, video, rendition, { grows = false } = {}) {
  const playlist = new URL(video.hls_url.replace('playlist', rendition), server.url);
  const text = await (await fetch(playlist)).text();
  assert.equal(/#EXT-X-ENDLIST/.test(text), !grows, text);
  assert.match(text, grows ? /PLAYLIST-TYPE:EVENT/ : /PLAYLIST-TYPE:VOD/);
  return text.split('\n').filter((line) => line.endsWith('.m4s')).map((line) => new URL(line, playlist).href);
}
