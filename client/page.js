import { serverOf } from './api.js';
import { h, say } from './dom.js';
import { Link } from './link.js';

/** What both pages have: the server's address, the link to the hub, whether the server is there, and messages. */

export const server = serverOf(location);

/** The address of one of our pages, with the same server. */
export function pageUrl(path, parameters = {}) {
  const url = new URL(path, document.baseURI);
  const api = new URLSearchParams(location.search).get('api');
  for (const [key, value] of Object.entries({ ...parameters, ...(api && { api }) })) url.searchParams.set(key, value);
  return url.href;
}

/** The address of what the server names by an absolute path; null stays null. */
export function serverUrl(path) {
  return path ? new URL(path, server).href : null;
}

/** A short message that goes away by itself; screen readers read it. */
export function toast(text, kind = 'info') {
  const item = h('p.toast', { data: { kind } }, text);
  document.querySelector('.toasts').append(item);
  setTimeout(() => item.remove(), 8000);
}

/** Connects to the hub. The header and the banner are done here; `on.back()` tells that the server was away and is there again. */
export function connect(on) {
  for (const anchor of document.querySelectorAll('[data-page]')) anchor.href = pageUrl(anchor.getAttribute('href'));
  for (const anchor of document.querySelectorAll('[data-server-path]'))
    anchor.href = server + anchor.dataset.serverPath;

  const badge = document.querySelector('[data-testid=server]');
  const banner = document.querySelector('#banner');
  let before = null;
  const online = (now) => {
    if (now === null || now === before) return;
    badge.dataset.state = now ? 'online' : 'away';
    say(badge, now ? 'Connected' : 'Server away');
    banner.hidden = now;
    say(
      banner,
      now ? '' : `The server at ${new URL(server).host} is not answering. Trying again; uploads go on by themselves.`,
    );
    if (now && before === false) {
      toast('The server is back.');
      on.back?.();
    }
    before = now;
  };

  return new Link(server, {
    ...on,
    state: (message) => {
      on.state(message);
      online(message.online);
    },
    server: (message) => online(message.online),
    notice: ({ text }) => toast(text),
  });
}
