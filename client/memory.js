/**
 * The uploads that this browser has begun and not finished, kept in IndexedDB beyond the end of the page: what to ask the
 * server for to go on, and, where the browser can keep it, the handle that opens the file again without asking for it.
 *
 * A record: {hash, server, name, title, size, chunkSize, fingerprint, handle?}. Without IndexedDB (some private windows)
 * nothing is remembered and nothing fails.
 */
const STORE = 'uploads';

let opening = null;

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('vidpipeline', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: ['server', 'hash'] });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

async function within(mode, work) {
  try {
    const store = (await database()).transaction(STORE, mode).objectStore(STORE);
    return await new Promise((resolve, reject) => {
      const request = work(store);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } catch {
    return undefined;
  }
}

export async function remember(record) {
  await within('readwrite', (store) => store.put(record));
}

export async function forget(server, hash) {
  await within('readwrite', (store) => store.delete([server, hash]));
}

/** The records of one server. */
export async function remembered(server) {
  const all = (await within('readonly', (store) => store.getAll())) ?? [];
  return all.filter((record) => record.server === server);
}
