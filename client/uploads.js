import { answerOf, ApiError, call } from './api.js';
import { findIndex } from './boxes.js';
import { inSendingOrder, putFirst } from './chunks.js';
import { fingerprint } from './fingerprint.js';
import { named } from './format.js';
import { forget, remember, remembered } from './memory.js';

/** Requests at once, of all files together: a browser has six connections to a server, and the players want theirs. */
const SLOTS = 2;
const CHUNK_SIZE = 1024 * 1024; // small: whoever seeks waits for a few of them
const MOST_CHUNKS = 100_000; // that a server takes
const DISAGREEMENTS = 3; // about what is there, in a row
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const RATE_WINDOW = 8_000;
const ANSWER_TIME = 90_000; // without a sign of life, of a chunk
const FINALIZE_TIME = 330_000; // a large file takes its time to become durable

const RUNNING = 'running';
const PAUSED = 'paused';
const FAILED = 'failed';

/**
 * Sends files to the server: `init`, then chunks in parallel, then `finalize`; first the chunks that it takes to watch the
 * video, and those that somebody who watches waits for. What can't get through now is tried again, with growing pauses, for as
 * long as it takes; what the server refuses ends that upload with its words.
 *
 * Each upload is in one of three phases, and one loop (#pump) hands free slots to whichever upload has the fewest requests
 * under way. So a small file is not stuck behind a large one, and a failing one does not hold up the others.
 */
export class UploadQueue {
  #server;
  #on;
  #uploads = new Map();
  #busy = 0;
  #lastKey = 0;

  /** `on.changed(upload)`, `on.ended(key)`, `on.video(video)`, `on.notice(text)`. */
  constructor(server, on) {
    this.#server = server;
    this.#on = on;
  }

  /** What the pages show of each. */
  views() {
    return [...this.#uploads.values()].map(view);
  }

  /** Begins to upload a file, or goes on with it. `handle` opens the file again later, where the browser has such a thing. */
  add(file, handle) {
    const upload = {
      key: `${Date.now().toString(36)}-${++this.#lastKey}`,
      file,
      handle,
      name: file.name,
      title: file.name,
      chunkSize: CHUNK_SIZE * Math.max(1, Math.ceil(file.size / MOST_CHUNKS / CHUNK_SIZE)),
      fingerprint: null,
      hash: null,
      phase: 'init',
      state: RUNNING,
      missing: [],
      flying: new Map(), // chunk index, or the phase's name: bytes sent
      present: new Uint8Array(0),
      failures: 0,
      notBefore: 0,
      trouble: null,
      stop: new AbortController(),
      samples: [],
    };
    this.#uploads.set(upload.key, upload);
    this.#changed(upload);
    this.#pump();
  }

  pause(key) {
    const upload = this.#uploads.get(key);
    if (upload?.state === RUNNING) this.#halt(upload, PAUSED, null);
  }

  /** Goes on after a pause, or once more after a failure. */
  resume(key) {
    const upload = this.#uploads.get(key);
    if (!upload || upload.state === RUNNING) return;
    // The server may have forgotten or finished it meanwhile: asking is cheap.
    Object.assign(upload, { state: RUNNING, phase: 'init', stop: new AbortController(), trouble: null });
    Object.assign(upload, { failures: 0, notBefore: 0, samples: [] });
    this.#changed(upload);
    this.#pump();
  }

  /** Ends an upload and forgets what the server has of it. */
  async cancel(key) {
    const upload = this.#uploads.get(key);
    if (!upload) return;
    this.#remove(upload);
    if (!upload.hash) return;
    try {
      await call(this.#server, 'DELETE', `/videos/${upload.hash}`);
    } catch (error) {
      if (error.status !== 404) this.#on.notice(`“${named(upload.title)}” could not be deleted. ${error.message}`);
    }
  }

  /** The server no longer has this video: whatever of it is under way ends. */
  deleted(hash) {
    forget(this.#server, hash);
    for (const upload of this.#uploads.values()) {
      if (upload.hash === hash) this.#halt(upload, FAILED, 'This video was deleted.');
    }
  }

  /** The server can be reached again: no more waiting. */
  poke() {
    for (const upload of this.#uploads.values()) upload.notBefore = 0;
    this.#pump();
  }

  /** Goes on by itself with those files of an earlier visit that it may open without asking. `waiting`: hashes. */
  async resumeRemembered(waiting) {
    for (const { hash, handle, size } of await remembered(this.#server)) {
      const active = [...this.#uploads.values()].some((upload) => upload.hash === hash);
      if (!handle || active || !waiting.has(hash)) continue;
      try {
        if ((await handle.queryPermission?.({ mode: 'read' })) !== 'granted') continue;
        const file = await handle.getFile();
        if (file.size === size) this.add(file, handle);
      } catch {
        // Moved or deleted: the page asks for it.
      }
    }
  }

  #pump() {
    while (this.#busy < SLOTS) {
      const upload = this.#next();
      if (!upload) return;
      this.#run(upload);
    }
  }

  #next() {
    const now = Date.now();
    let best = null;
    for (const upload of this.#uploads.values()) {
      if (upload.state !== RUNNING || upload.notBefore > now) continue;
      if (upload.phase === 'chunks' ? upload.missing.length === 0 : upload.flying.size > 0) continue;
      if (!best || upload.flying.size < best.flying.size) best = upload;
    }
    return best;
  }

  /** One request of an upload, whatever it needs next. */
  async #run(upload) {
    const { phase, stop } = upload;
    const job = phase === 'chunks' ? upload.missing.shift() : phase;
    upload.flying.set(job, 0);
    this.#busy++;
    try {
      if (phase === 'init') await this.#init(upload, stop.signal);
      else if (phase === 'chunks') await this.#chunk(upload, job, stop.signal);
      else await this.#finalize(upload);
      if (!stop.signal.aborted) Object.assign(upload, { failures: 0, trouble: null });
    } catch (error) {
      if (phase === 'chunks' && !upload.present[job]) upload.missing.unshift(job);
      if (!stop.signal.aborted) this.#trouble(upload, error);
    } finally {
      upload.flying.delete(job);
      this.#busy--;
    }
    if (!stop.signal.aborted && upload.phase === 'chunks' && upload.missing.length + upload.flying.size === 0) {
      upload.phase = 'finalize';
    }
    if (this.#uploads.has(upload.key)) this.#changed(upload);
    this.#pump();
  }

  async #init(upload, signal) {
    const { file } = upload;
    if (file.size === 0) throw new ApiError(400, 'This file is empty.');
    upload.fingerprint ??= await fingerprint(file);
    if (signal.aborted || this.#mergeWithTwin(upload)) return;

    const records = await remembered(this.#server);
    const record = records.find(({ size, fingerprint: print }) => size === file.size && print === upload.fingerprint);
    if (record) Object.assign(upload, { title: record.title, chunkSize: record.chunkSize });

    const total = Math.ceil(file.size / upload.chunkSize);
    const video = await call(this.#server, 'POST', '/videos/init', {
      title: upload.title,
      total_chunks: total,
      file_size: file.size,
      chunk_size: upload.chunkSize,
      fingerprint: upload.fingerprint,
      ...(file.type && { mime_type: file.type }),
    });
    const { uploaded_chunks: uploaded, missing_chunks: missing, resumable, ...rest } = video;
    if (!this.#uploads.has(upload.key)) {
      // It was cancelled while the server began it.
      if (video.status === 'uploading') await call(this.#server, 'DELETE', `/videos/${video.video_hash}`);
      return;
    }
    if (!signal.aborted) upload.hash = video.video_hash;
    this.#on.video(rest);
    if (signal.aborted) return;
    if (video.status !== 'uploading') {
      this.#remove(upload);
      this.#on.notice(`“${named(video.title)}” is in the library already.`);
      return;
    }
    upload.present = new Uint8Array(total);
    for (const index of uploaded) upload.present[index] = 1;
    // What can't be read now is an error of the chunk that it is in.
    const index = await findIndex(file).catch(() => null);
    if (signal.aborted) return;
    upload.missing = inSendingOrder(missing, { index, chunkSize: upload.chunkSize, size: file.size });
    upload.phase = 'chunks';
    const { hash, name, title, chunkSize, handle } = upload;
    const kept = {
      server: this.#server,
      hash,
      name,
      title,
      size: file.size,
      chunkSize,
      fingerprint: upload.fingerprint,
    };
    await remember(handle || record?.handle ? { ...kept, handle: handle ?? record.handle } : kept);
  }

  /** The same file twice is one upload: the older one goes on, with the newer one's access to the file. */
  #mergeWithTwin(upload) {
    for (const other of this.#uploads.values()) {
      if (other === upload || other.fingerprint !== upload.fingerprint || other.file.size !== upload.file.size)
        continue;
      other.file = upload.file;
      other.handle ??= upload.handle;
      this.#remove(upload, false);
      this.resume(other.key);
      return true;
    }
    return false;
  }

  async #chunk(upload, index, signal) {
    const { file, chunkSize, hash } = upload;
    let body;
    try {
      // Reading it here tells a file that is gone from a network that is.
      body = await file.slice(index * chunkSize, (index + 1) * chunkSize).arrayBuffer();
    } catch {
      throw new ApiError(400, "The file can't be read any more. Was it changed, moved or deleted?");
    }
    if (signal.aborted) return;
    const answer = await send(`${this.#server}/videos/upload_chunk/${hash}/${index}`, body, signal, (loaded) => {
      this.#measure(upload, loaded - (upload.flying.get(index) ?? 0));
      upload.flying.set(index, loaded);
      this.#changed(upload);
    });
    const { wanted_chunks: wanted = [] } = answerOf(answer.status, answer.responseText) ?? {};
    upload.present[index] = 1;
    if (wanted.length > 0) upload.missing = putFirst(upload.missing, wanted);
  }

  async #finalize(upload) {
    await call(this.#server, 'POST', `/videos/finalize/${upload.hash}`, undefined, FINALIZE_TIME);
    await forget(this.#server, upload.hash);
    this.#remove(upload, false);
  }

  #trouble(upload, error) {
    const disagrees = error.status === 409 && upload.failures < DISAGREEMENTS;
    const unheard = error.status === 0 && upload.phase === 'chunks';
    // What the server has may be another thing than it could tell: init says what.
    if (disagrees || unheard) upload.phase = 'init';
    if (!disagrees && !error.passing) {
      const gone = error.status === 404;
      const unreadable = error.name === 'NotReadableError' || error.name === 'NotFoundError';
      const words = gone
        ? 'The server no longer knows this upload.'
        : unreadable
          ? "The file can't be read."
          : error.message;
      this.#halt(upload, FAILED, words);
      return;
    }
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** upload.failures++);
    const delay = pause * (0.75 + Math.random() / 2);
    Object.assign(upload, { trouble: error.message, notBefore: Date.now() + delay, samples: [] });
    setTimeout(() => this.#pump(), delay + 1);
  }

  #halt(upload, state, trouble) {
    upload.stop.abort();
    Object.assign(upload, { state, trouble, samples: [] });
    this.#changed(upload);
  }

  #remove(upload, alsoRecord = true) {
    upload.stop.abort();
    this.#uploads.delete(upload.key);
    if (alsoRecord && upload.hash) forget(this.#server, upload.hash);
    this.#on.ended(upload.key);
  }

  #measure(upload, bytes) {
    const now = Date.now();
    upload.samples.push({ at: now, bytes });
    while (upload.samples[0].at < now - RATE_WINDOW) upload.samples.shift();
  }

  #changed(upload) {
    this.#on.changed(upload.key);
  }

  /** What the pages show of one; null when it is over. */
  view(key) {
    const upload = this.#uploads.get(key);
    return upload ? view(upload) : null;
  }
}

function view(upload) {
  const { file, chunkSize, present, flying, samples } = upload;
  const chunkBytes = (index) => Math.min(chunkSize, file.size - index * chunkSize);
  let sent = 0;
  present.forEach((there, index) => (sent += there ? chunkBytes(index) : 0));
  for (const [index, loaded] of flying) if (!present[index]) sent += loaded;

  const span = samples.length > 1 ? Date.now() - samples[0].at : 0;
  const bytes = samples.reduce((sum, sample) => sum + sample.bytes, 0);
  const rate = upload.state === RUNNING && span > 500 ? (bytes * 1000) / span : null;
  const { key, hash, name, title, state, phase, trouble } = upload;
  return {
    ...{ key, hash, name, title, state, phase, trouble },
    size: file.size,
    sent,
    rate,
    eta: rate && span > 2_000 ? (file.size - sent) / rate : null,
    present,
    flying: [...flying].map(([index, loaded]) => [index, loaded / chunkBytes(index)]),
  };
}

/** Sends one body and reports the bytes as they go, which fetch can't. Resolves to the request when it is answered. */
function send(url, body, signal, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener('abort', abort);
    let quiet;
    const heard = () => {
      clearTimeout(quiet);
      quiet = setTimeout(abort, ANSWER_TIME);
    };
    request.upload.onprogress = (event) => {
      heard();
      progress(event.loaded);
    };
    request.onload = () => resolve(request);
    request.onerror = request.onabort = () => reject(new ApiError(0, 'The server is not answering.'));
    request.onloadend = () => {
      clearTimeout(quiet);
      signal.removeEventListener('abort', abort);
    };
    request.open('POST', url);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    heard();
    request.send(body);
  });
}
