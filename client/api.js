/** The server's HTTP interface, as far as the pages need it. */

/** An answer that is not a success. `status` is 0 when there was no answer at all. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether the same request may succeed later: no answer, a busy server, a full disk. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 425 || this.status === 429 || this.status >= 500;
  }
}

/** The server's origin: the page's own, or the one that `?api=` names. */
export function serverOf(page) {
  const wanted = new URLSearchParams(page.search).get('api');
  if (!wanted) return page.origin;
  try {
    const url = new URL(wanted.includes('://') ? wanted : `${page.protocol}//${wanted}`);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url.origin;
  } catch {
    // Not an address: the page's own server is the better guess.
  }
  return page.origin;
}

/** What the server says went wrong, in its words where it has some. */
function errorOf(status, text) {
  let detail;
  try {
    detail = JSON.parse(text).detail;
  } catch {
    // Not ours, perhaps a proxy's page.
  }
  return new ApiError(status, typeof detail === 'string' ? detail : `The server answered with status ${status}.`);
}

/** The JSON of an answer, null where it has no body. Throws an ApiError where it is no success, or not ours. */
export function answerOf(status, text) {
  if (status < 200 || status > 299) throw errorOf(status, text);
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    throw new ApiError(status, 'The answer is not from a VidPipeline server.');
  }
}

/**
 * Sends a request and answers the JSON of its answer, null when that has no body. Rejects with an ApiError, also after `limit`
 * milliseconds.
 */
export async function call(server, method, path, body, limit = 30_000) {
  let status;
  let text;
  try {
    const response = await fetch(server + path, {
      method,
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      signal: AbortSignal.timeout(limit),
    });
    status = response.status;
    text = await response.text();
  } catch {
    throw new ApiError(0, 'The server is not answering.');
  }
  return answerOf(status, text);
}
