import { call } from './api.js';
import { confirm } from './dom.js';
import { server, toast } from './page.js';

/** What people can do about a video, on either page. Uploads belong to the hub; the rest is a request to the server. */
export function actionsFor(link) {
  return {
    pause: (key) => link.post({ type: 'pause', key }),
    resume: (key) => link.post({ type: 'resume', key }),
    async cancel(key, name) {
      if (await confirm('Cancel this upload?', `What has arrived of “${name}” will be deleted.`, 'Cancel it')) {
        link.post({ type: 'cancel', key });
      }
    },
    retry: (hash) => attempt('POST', `/videos/${hash}/retry`),
    async remove(hash, name) {
      if (await confirm('Delete this video?', `“${name}” and all that was made of it will be gone.`, 'Delete')) {
        await attempt('DELETE', `/videos/${hash}`);
      }
    },
  };
}

/** The event stream tells what came of it, so only an error is said here. */
async function attempt(method, path) {
  try {
    await call(server, method, path);
  } catch (error) {
    if (error.status !== 404) toast(error.message, 'error');
  }
}
