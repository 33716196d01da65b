import { h, say } from './dom.js';
import { bitrate, bytes } from './format.js';
import { lengthOf } from './length.js';

const FIGURES = {
  rendition: 'Rendition',
  picture: 'Picture',
  bandwidth: 'Bandwidth',
  buffer: 'Buffer',
  dropped: 'Dropped frames',
  downloaded: 'Downloaded',
};

/**
 * One player: the picture, which rendition each segment of the timeline was loaded in, the choice of renditions, and live
 * figures. `kind` is the module that plays: hls-player.js or dash-player.js.
 */
export class Panel {
  #kind;
  #url = null;
  #how = {};
  #player = null;
  #renditions = [];
  #downloaded = 0;
  #segments = new Map();
  #selected = null; // a rendition's id; null is the player's own choice
  #awaited = null; // the name of the rendition that was chosen and is not shown yet
  #failed = false;
  #left = 0; // seconds
  /** Where the segments end that are listed by now, in seconds; a new list is a new array. */
  listed = [];
  #strip = h('div.strip', { 'aria-hidden': 'true' });
  #head = h('i.playhead');
  #choice = h('fieldset.choice', { hidden: true });
  #figures = Object.fromEntries(
    Object.keys(FIGURES).map((key) => [key, h('dd.figure', { data: { figure: key } }, '–')]),
  );
  #error = h('p.error', { role: 'alert', hidden: true, data: { testid: 'player-error' } });
  #again = h('button', { type: 'button', hidden: true, onclick: () => this.restart() }, 'Try again');

  constructor(kind) {
    this.#kind = kind;
    const id = kind.name.toLowerCase();
    this.video = h('video', { controls: true, playsInline: true, muted: true, data: { testid: `${id}-video` } });
    this.video.setAttribute('aria-label', `${kind.name} player`);
    this.#strip.append(this.#head);
    this.#strip.onclick = ({ clientX }) => {
      const box = this.#strip.getBoundingClientRect();
      const length = lengthOf(this.video);
      if (length) this.video.currentTime = ((clientX - box.left) / box.width) * length;
    };
    this.element = h('section.player', { 'aria-label': kind.name, data: { testid: id, errors: 0 } }, [
      h('header', [h('h2', kind.name), h('span.meta', kind.library)]),
      this.video,
      this.#strip,
      h('div.trouble', [this.#error, this.#again]),
      this.#choice,
      h(
        'dl',
        Object.entries(FIGURES).map(([key, label]) => h('div', [h('dt', label), this.#figures[key]])),
      ),
    ]);
  }

  /** Loads and plays; `how`: `{unfinished, soonest}` as the players' modules have it. */
  start(url, poster, how = {}) {
    this.#url = url;
    this.#how = { ...how };
    this.#downloaded = 0;
    this.listed = [];
    this.#segments.clear();
    this.#strip.replaceChildren(this.#head);
    if (poster) this.video.poster = poster;
    this.element.classList.toggle('audio-only', !poster && !how.unfinished);
    this.#open(this.#left);
  }

  /** The server is there again. */
  wake() {
    if (this.#failed) this.restart();
    else this.#player?.wake();
  }

  /** The video is complete now. */
  complete() {
    if (!this.#how.unfinished) return;
    this.#how.unfinished = false;
    this.#player?.complete();
  }

  /** Ends the player; the next one begins where it was, with a choice of its own: renditions may have other names then. */
  stop() {
    if (!this.#player) return;
    this.#left = this.video.currentTime;
    this.#selected = this.#awaited = null;
    this.#player.destroy();
    this.#player = null;
    this.#failed = false;
  }

  /** Takes a new player, at the place where the old one gave up. */
  restart() {
    const at = this.video.currentTime;
    this.#player?.destroy();
    this.#open(at);
  }

  #open(at) {
    this.#failed = false;
    this.#error.hidden = this.#again.hidden = true;
    this.#player = this.#kind.play(
      this.video,
      this.#url,
      {
        renditions: (list) => {
          this.#showChoice(list);
          if (this.#selected !== null) this.#player.select(this.#selected);
          // Muted, so browsers let it; where one does not, there is the button.
          this.video.play().catch(() => {});
        },
        segment: (segment) => this.#showSegment(segment),
        listed: (ends) => (this.listed = ends),
        error: (problem) => this.#showError(problem),
      },
      { at, ...this.#how },
    );
  }

  #showError({ fatal, text }) {
    this.element.dataset.errors = Number(this.element.dataset.errors) + 1;
    this.element.dataset.lastError = text;
    if (!fatal) return;
    this.#failed = true;
    say(this.#error, text);
    this.#error.hidden = this.#again.hidden = false;
  }

  #showChoice(renditions) {
    this.#renditions = renditions;
    this.element.classList.toggle('audio-only', renditions.length === 0 && !this.video.poster);
    const group = `rendition-${this.#kind.name}`;
    const option = (id, label, rung) => {
      const input = h('input', { type: 'radio', name: group, value: id ?? 'auto', data: { rendition: rung } });
      input.checked = id === this.#selected;
      input.onchange = () => {
        this.#selected = id;
        this.#awaited = id === null ? null : rung;
        this.#player.select(id);
      };
      return h('label', { data: { rung } }, [input, h('span', label)]);
    };
    this.#choice.replaceChildren(
      h('legend', 'Rendition'),
      option(null, 'Auto', 'auto'),
      ...renditions.map(({ id, name }) => option(id, name, name)),
    );
    this.#choice.hidden = renditions.length === 0;
  }

  #showSegment({ start, end, name, bytes: size, audio }) {
    this.#downloaded += size;
    if (audio) return;
    const key = start.toFixed(1);
    let mark = this.#segments.get(key);
    if (!mark) {
      mark = h('i');
      this.#segments.set(key, mark);
      this.#strip.append(mark);
    }
    mark.dataset.rung = name;
    mark.title = name;
    mark.dataset.start = start;
    mark.dataset.end = end;
    this.#layOut();
  }

  /** The rendition of the picture that is seen, not of the segment that is being loaded. */
  #shown() {
    const { videoWidth, videoHeight } = this.video;
    return this.#renditions.find(({ width, height }) => width === videoWidth && height === videoHeight)?.name ?? null;
  }

  /** A browser goes on with the pictures that it has decoded, or stands still on one: a seek to where it is shows the new. */
  #refresh(shown) {
    const { video } = this;
    if (shown === this.#awaited) this.#awaited = null;
    if (this.#awaited === null || video.seeking || bufferAhead(video) === 0) return;
    const here = ({ dataset: { start, end } }) => start <= video.currentTime && video.currentTime < end;
    const mark = [...this.#segments.values()].find(here);
    if (mark?.dataset.rung === this.#awaited) video.currentTime += 0;
  }

  #layOut() {
    const length = lengthOf(this.video);
    if (!length) return;
    for (const mark of this.#segments.values()) {
      const { start, end } = mark.dataset;
      mark.style.left = `${(100 * start) / length}%`;
      mark.style.width = `${(100 * (Math.min(end, length) - start)) / length}%`;
    }
    this.#head.style.left = `${(100 * this.video.currentTime) / length}%`;
  }

  /** Shows the figures of this moment. */
  tick() {
    const { video } = this;
    const shown = this.#shown();
    this.#refresh(shown);
    const quality = video.getVideoPlaybackQuality?.();
    const figures = {
      rendition: shown ?? (this.#renditions.length === 0 && video.readyState > 0 ? 'audio' : '–'),
      picture: video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : '–',
      bandwidth: bitrate(this.#player?.bandwidth()),
      buffer: `${bufferAhead(video).toFixed(1)} s`,
      dropped: quality ? `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}` : '–',
      downloaded: bytes(this.#downloaded),
    };
    for (const [key, text] of Object.entries(figures)) say(this.#figures[key], text);
    this.#layOut();
  }
}

/** Seconds of media behind the playhead's place that can play without loading. */
function bufferAhead({ buffered, currentTime }) {
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) <= currentTime + 0.1 && currentTime < buffered.end(i)) return buffered.end(i) - currentTime;
  }
  return 0;
}
