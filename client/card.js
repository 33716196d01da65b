import { button, h, say } from './dom.js';
import { ago, bytes, clock, named } from './format.js';
import { pageUrl, serverUrl } from './page.js';

/** A video that is ready to watch. `act.remove(hash, title)`: it is to be deleted. */
export class Card {
  #poster = h('img', { alt: '', loading: 'lazy', decoding: 'async' });
  #length = h('span.length.figure');
  #link = h('a');
  #meta = h('p.meta');
  #warning = h('p.warning', { hidden: true });
  #video;

  constructor(act) {
    const remove = button('bin', 'Delete', () => act.remove(this.#video.video_hash, named(this.#video.title)), {
      bare: true,
      data: { testid: 'delete' },
    });
    this.#poster.onerror = () => (this.#poster.hidden = true);
    this.element = h('li.card', { data: { testid: 'card' } }, [
      h('div.poster', [this.#poster, this.#length]),
      h('div.about', [h('h3', this.#link), remove, this.#meta, this.#warning]),
    ]);
  }

  show(video, { newTab = false } = {}) {
    this.#video = video;
    Object.assign(this.element.dataset, { hash: video.video_hash, status: video.status });
    say(this.#link, named(video.title));
    this.#link.href = pageUrl('streaming.html', { v: video.video_hash });
    this.#link.target = newTab ? '_blank' : '';
    const poster = serverUrl(video.thumbnail_url);
    this.element.classList.toggle('no-poster', !poster);
    if (poster && this.#poster.src !== poster) this.#poster.src = poster;
    this.#poster.hidden = !poster;
    this.#length.hidden = !video.duration;
    say(this.#length, clock(video.duration ?? 0));
    const size = video.width ? `${video.width} × ${video.height}` : 'Audio';
    say(this.#meta, [size, video.codec, bytes(video.file_size), ago(video.created_at)].filter(Boolean).join(' · '));
    this.#warning.hidden = !video.error;
    say(this.#warning, video.error ?? '');
    this.element.querySelector('button').setAttribute('aria-label', `Delete: ${named(video.title)}`);
  }
}
