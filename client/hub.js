import { call } from './api.js';
import { EventFeed } from './events.js';
import { UploadQueue } from './uploads.js';

const FLUSH = 200; // ms between two reports of one upload

/**
 * What all pages of one browser share: the one event stream, the one upload queue, and what they say about each video. It
 * lives in a SharedWorker, or in the page where there is none, and talks to pages through message ports.
 *
 * To a page: {type: "state", online, videos, uploads} once, then "server", "videos", "video", "gone", "upload", "ended" and
 * "notice". From a page: "hello", "bye", "add", "pause", "resume", "cancel".
 */
export class Hub {
  #server;
  #ports = new Set();
  #videos = new Map();
  #online = null; // null: not known yet
  #feed;
  #uploads;
  #waiting = null; // events that came while the list was under way
  #fetching = new Map(); // hash: whether to ask again
  #dirty = new Set();
  #resumed = false;

  constructor(server) {
    this.#server = server;
    this.#uploads = new UploadQueue(server, {
      changed: (key) => this.#changed(key),
      ended: (key) => this.#tell({ type: 'ended', key }),
      video: (video) => this.#put(video),
      notice: (text) => this.#tell({ type: 'notice', text }),
    });
    this.#feed = new EventFeed(`${server}/events`, {
      opened: () => this.#list(),
      event: (event) => (this.#waiting ? this.#waiting.push(event) : this.#apply(event)),
      lost: () => {
        this.#waiting = null;
        this.#say(false);
      },
    });
    globalThis.addEventListener('online', () => this.#poke());
    globalThis.addEventListener('offline', () => this.#feed.reconnect());
    this.#feed.run();
  }

  attach(port) {
    port.onmessage = ({ data }) => this.#receive(port, data);
  }

  #receive(port, message) {
    const { type, key } = message;
    if (type === 'hello') {
      this.#ports.add(port);
      const videos = [...this.#videos.values()];
      port.postMessage({ type: 'state', online: this.#online, videos, uploads: this.#uploads.views() });
    } else if (type === 'bye') this.#ports.delete(port);
    else if (type === 'add') for (const { file, handle } of message.files) this.#uploads.add(file, handle);
    else if (type === 'pause') this.#uploads.pause(key);
    else if (type === 'resume') this.#uploads.resume(key);
    else if (type === 'cancel') this.#uploads.cancel(key);
  }

  #tell(message) {
    for (const port of this.#ports) port.postMessage(message);
  }

  #poke() {
    this.#feed.poke();
    this.#uploads.poke();
  }

  #say(online) {
    if (this.#online === online) return;
    this.#online = online;
    this.#tell({ type: 'server', online });
  }

  /** The stream is open: what the list says now plus what the stream says from now on leaves nothing out. */
  async #list() {
    const waiting = (this.#waiting = []);
    let videos;
    try {
      videos = await call(this.#server, 'GET', '/videos');
    } catch {
      this.#feed.reconnect();
      return;
    }
    if (this.#waiting !== waiting) return; // The stream broke meanwhile.
    this.#videos = new Map(videos.map((video) => [video.video_hash, video]));
    this.#tell({ type: 'videos', videos });
    this.#waiting = null;
    waiting.forEach((event) => this.#apply(event));
    this.#say(true);
    this.#feed.settle();
    this.#uploads.poke();
    if (!this.#resumed) {
      this.#resumed = true;
      const uploading = videos.filter(({ status }) => status === 'uploading').map((video) => video.video_hash);
      this.#uploads.resumeRemembered(new Set(uploading));
    }
  }

  #apply({ kind, data }) {
    const hash = data.video_hash;
    const video = this.#videos.get(hash);
    // After a break the stream repeats what the list has told already.
    if (video && Date.parse(data.time) < Date.parse(video.updated_at)) return;
    if (kind === 'deleted') {
      this.#remove(hash);
    } else if (video && kind === 'chunk') {
      this.#put({ ...video, received_chunks: data.received_chunks, updated_at: data.time });
    } else if (video && kind === 'progress') {
      this.#put({ ...video, status: data.status, progress: data.progress, updated_at: data.time });
      // Then there is more to know than the event says: the picture's size, the poster.
      if (video.progress?.phase !== data.progress?.phase) this.#fetch(hash);
    } else {
      this.#fetch(hash);
    }
  }

  #put(video) {
    this.#videos.set(video.video_hash, video);
    this.#tell({ type: 'video', video });
  }

  #remove(hash) {
    this.#videos.delete(hash);
    this.#uploads.deleted(hash);
    this.#tell({ type: 'gone', hash });
  }

  /** Asks for one video again; once more if something happened to it while the answer was under way. */
  async #fetch(hash) {
    if (this.#fetching.has(hash)) {
      this.#fetching.set(hash, true);
      return;
    }
    this.#fetching.set(hash, false);
    try {
      this.#put(await call(this.#server, 'GET', `/videos/${hash}`));
    } catch (error) {
      if (error.status === 404) this.#remove(hash);
    }
    const again = this.#fetching.get(hash);
    this.#fetching.delete(hash);
    if (again) this.#fetch(hash);
  }

  #changed(key) {
    if (this.#dirty.size === 0) setTimeout(() => this.#flush(), FLUSH);
    this.#dirty.add(key);
  }

  #flush() {
    for (const key of this.#dirty) {
      const upload = this.#uploads.view(key);
      if (upload) this.#tell({ type: 'upload', upload });
    }
    this.#dirty.clear();
  }
}
