// A network between the browser and the server that a test can slow down and cut, and that counts what is under way.

import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const KINDS = { upload: /^\/videos\/upload_chunk\//, events: /\/events$/, fragment: /\.m4s$/ };

export class Network {
  /** A reverse proxy on a free port of its own, for `server`; ends with the test. */
  static async startFor(t, server) {
    const network = new Network(server);
    await network.restore();
    t.after(() => network.cut());
    return network;
  }

  #http = null;
  #port = 0;
  #sockets = new Set();

  /** Bytes per second of each upload; Infinity does not slow anything down. */
  uploadRate = Infinity;
  /** Requests of each kind at once: now, and at most so far. */
  now = { upload: 0, events: 0, fragment: 0 };
  most = { upload: 0, events: 0, fragment: 0 };
  /** Whether the server has too much to do for fragments, and how often it has said so. */
  busy = false;
  refused = 0;
  /** Chunk uploads that the server acknowledged, as `hash/index`, in order. */
  acknowledged = [];
  /** Those that went over whole, but nobody was there any more for the answer. */
  unanswered = [];

  constructor(server) {
    this.server = server;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Ends every connection and takes no new one. */
  async cut() {
    const closed = new Promise((resolve) => this.#http.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Takes connections, on the same port as before. */
  async restore() {
    this.#http = http.createServer((request, response) => this.#forward(request, response));
    this.#http.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise((resolve) => this.#http.listen(this.#port, '127.0.0.1', resolve));
    this.#port = this.#http.address().port;
  }

  #forward(request, response) {
    const { pathname } = new URL(request.url, this.url);
    const kind = request.method === 'OPTIONS' ? undefined : Object.keys(KINDS).find((name) => KINDS[name].test(pathname));
    const chunk = kind === 'upload' ? pathname.split('/').slice(3).join('/') : null;
    if (kind) this.most[kind] = Math.max(this.most[kind], ++this.now[kind]);
    response.once('close', () => {
      if (kind) this.now[kind] -= 1;
    });

    if (kind === 'fragment' && this.busy) {
      this.refused += 1;
      response.writeHead(503, { 'Retry-After': '1' }).end();
      return;
    }

    const onward = http.request(this.server.url + request.url, {
      method: request.method,
      headers: { ...request.headers, host: new URL(this.server.url).host, connection: 'close' },
      agent: false,
    });
    onward.on('response', (answer) => {
      if (chunk && answer.statusCode === 200) this.acknowledged.push(chunk);
      const { connection, 'keep-alive': _, ...headers } = answer.headers;
      response.writeHead(answer.statusCode, headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => {
      if (chunk && onward.writableEnded && !response.headersSent) this.unanswered.push(chunk);
      onward.destroy();
    });
    this.#send(request, onward, chunk ? this : null).catch(() => onward.destroy());
  }

  async #send(request, onward, slow) {
    for await (const piece of request) {
      onward.write(piece);
      if (slow && slow.uploadRate !== Infinity) await delay((piece.length / slow.uploadRate) * 1000);
    }
    onward.end();
  }
}
