import { h, say } from './dom.js';
import { clock } from './format.js';
import { lengthOf } from './length.js';

const DRIFT = 0.2; // seconds between the two that are put right, by speed up to a second and by a jump beyond

/** One set of controls for two media elements: play, place, whose sound; and, while `in step` is on, they stay together. */
export class Both {
  #videos;
  #play = document.querySelector('#play-both');
  #seek = document.querySelector('#seek-both');
  #clock = document.querySelector('#clock');
  #inStep = document.querySelector('#in-step');
  #dragging = false;

  constructor(hls, dash) {
    this.#videos = [hls, dash];
    this.#play.onclick = () => this.#toggle();
    this.#seek.oninput = () => {
      this.#dragging = true;
      this.seek(Number(this.#seek.value));
      this.#showClock(Number(this.#seek.value));
    };
    this.#seek.onchange = () => (this.#dragging = false);
    this.#inStep.onchange = () => this.#follow();
    this.#mirror(hls, dash);
    this.#mirror(dash, hls);
    this.#offerSound({ Off: null, HLS: hls, DASH: dash });
  }

  /** How far both can be sought: of a video that grows, one may know of more than the other. */
  get length() {
    const lengths = this.#videos.map(lengthOf).filter((length) => length > 0);
    return lengths.length ? Math.min(...lengths) : 0;
  }

  /** One that has come to its end goes on with the other one. */
  seek(at) {
    const playing = this.#playing;
    for (const video of this.#videos) {
      const { ended } = video;
      video.currentTime = at;
      if (playing && ended) video.play().catch(() => {});
    }
  }

  get #playing() {
    return this.#videos.some((video) => !video.paused && !video.ended);
  }

  #toggle() {
    const playing = this.#playing;
    for (const video of this.#videos) {
      if (playing) video.pause();
      else video.play().catch(() => {});
    }
  }

  /** What is done to one with its own controls happens to the other, too. */
  #mirror(from, to) {
    const follow = (act) => () => this.#inStep.checked && to.readyState > 0 && act();
    from.addEventListener(
      'seeking',
      follow(() => {
        if (Math.abs(from.currentTime - to.currentTime) > 1) to.currentTime = from.currentTime;
      }),
    );
    from.addEventListener(
      'play',
      follow(() => to.paused && to.play().catch(() => {})),
    );
    from.addEventListener(
      'pause',
      follow(() => !from.ended && !to.ended && to.pause()),
    );
  }

  #follow() {
    const [leader, follower] = this.#videos;
    const ready = !leader.paused && !follower.paused && !leader.seeking && !follower.seeking;
    const ahead = follower.currentTime - leader.currentTime;
    if (!this.#inStep.checked || !ready || Math.min(leader.readyState, follower.readyState) < 3) {
      follower.playbackRate = leader.playbackRate;
    } else if (Math.abs(ahead) > 1) {
      follower.currentTime = leader.currentTime;
    } else if (Math.abs(ahead) > DRIFT) {
      follower.playbackRate = leader.playbackRate * (ahead > 0 ? 0.95 : 1.05);
    } else if (Math.abs(ahead) < DRIFT / 4) {
      follower.playbackRate = leader.playbackRate;
    }
  }

  #offerSound(choices) {
    const set = document.querySelector('#sound');
    for (const [label, chosen] of Object.entries(choices)) {
      const input = h('input', { type: 'radio', name: 'sound', value: label, data: { sound: label } });
      input.checked = chosen === null;
      input.onchange = () => this.#videos.forEach((video) => (video.muted = video !== chosen));
      set.append(h('label', [input, h('span', label)]));
      chosen?.addEventListener('volumechange', () => {
        if (!chosen.muted) input.checked = true;
        else if (this.#videos.every(({ muted }) => muted)) set.querySelector('[value=Off]').checked = true;
      });
    }
  }

  #showClock(at) {
    say(this.#clock, `${clock(at)} / ${clock(this.length)}`);
    this.#seek.setAttribute('aria-valuetext', clock(at));
  }

  tick() {
    this.#follow();
    say(this.#play, this.#playing ? 'Pause both' : 'Play both');
    const { length } = this;
    if (Number(this.#seek.max) !== length && length > 0) this.#seek.max = length;
    if (this.#dragging) return;
    const at = this.#videos[0].currentTime || this.#videos[1].currentTime;
    this.#seek.value = at;
    this.#showClock(at);
  }
}
