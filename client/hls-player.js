import Hls from './lib/hls.js/hls.min.mjs';
import { rungName } from './rungs.js';

export const name = 'HLS';
export const library = `hls.js ${Hls.version}`;

const MODEST = 1_100_000; // bits/s: enough for 360 lines
const AHEAD = 12; // seconds in the buffer, where each fragment ahead is made for it alone
const WHILE_UNFINISHED = {
  testBandwidth: false,
  abrEwmaDefaultEstimate: MODEST,
  minAutoBitrate: 0.8 * MODEST,
  maxBufferLength: AHEAD,
  maxMaxBufferLength: AHEAD, // or it takes as much as there is room for
};
const { BUFFER_STALLED_ERROR, BUFFER_NUDGE_ON_STALL, BUFFER_SEEK_OVER_HOLE } = Hls.ErrorDetails;
const STALLS = [BUFFER_STALLED_ERROR, BUFFER_NUDGE_ON_STALL, BUFFER_SEEK_OVER_HOLE];
const POLICIES = ['manifestLoadPolicy', 'playlistLoadPolicy', 'fragLoadPolicy'];
const PAUSE = { retryDelayMs: 1000, maxRetryDelayMs: 1000 }; // what the server's Retry-After says
const LATER = [0, 503]; // no answer: the server is away for a while; 503: it has too much to do
const LOADING = /Load(Error|TimeOut)$/;

/** hls.js gives up after some tries, and at once where it has no answer. Here what is not there yet is worth waiting for. */
const patiently = ({ default: { errorRetry, timeoutRetry, ...policy } }) => ({
  default: {
    ...policy,
    timeoutRetry: { ...timeoutRetry, ...PAUSE, maxNumRetry: Infinity },
    errorRetry: {
      ...errorRetry,
      ...PAUSE,
      shouldRetry(settings, count, timeout, answer, retry) {
        const later = LATER.includes(answer?.code);
        settings.maxNumRetry = later ? Infinity : errorRetry.maxNumRetry; // It is looked at again right behind.
        return later || (retry && count < errorRetry.maxNumRetry);
      },
    },
  },
});

/**
 * Plays a multivariant playlist. `on.renditions([{id, name, width, height, bitrate}])`, `on.segment({start, end, name, bytes})`
 * for every video segment (and `name` "audio" where there is nothing else), `on.listed([end])` where the segments end that are
 * listed by now, `on.error({fatal, text})`.
 *
 * `unfinished`: of a video that is still being encoded. How long a fragment takes then says little of the network, so it begins
 * with a rendition that is soon made, also after a seek, and does not go below, until it is told that the video is complete.
 * `soonest`: the name of one that need not be made; it begins there.
 *
 * Answers {select(id | null), bandwidth(), complete(), wake(), destroy()}: null as rendition is the player's own choice, and
 * `wake` tells that the server is there again.
 */
export function play(video, url, on, { at = 0, unfinished = false, soonest = null } = {}) {
  if (!Hls.isSupported()) return playNatively(video, url, on, at);

  // Start level -1: a small fragment tells the bandwidth first, else the start would be the lowest rendition.
  const hls = new Hls({
    startPosition: at,
    startLevel: -1,
    preserveManualLevelOnError: true,
    ...Object.fromEntries(POLICIES.map((name) => [name, patiently(Hls.DefaultConfig[name])])),
    ...(unfinished && WHILE_UNFINISHED),
    enableWorker: false, // it would load it before the first picture, and fragmented MP4 needs no work
  });
  let recovered = 0;
  const describe = (level, id) => ({ id, name: rungName(level.url[0], level), ...pick(level) });

  let first = -1;
  const seeking = () => {
    if (!hls.autoLevelEnabled || isBuffered(video)) return;
    const modest = hls.levels.findIndex(({ bitrate }) => bitrate >= hls.config.minAutoBitrate);
    hls.nextAutoLevel = first >= 0 ? first : modest;
  };
  // Before hls.js itself begins to load there.
  if (unfinished) video.addEventListener('seeking', seeking);

  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    first = hls.levels.findIndex((level) => describe(level).name === soonest);
    if (unfinished && first >= 0) hls.startLevel = first;
    const renditions = hls.levels.map(describe).filter(({ height }) => height);
    on.renditions(renditions.sort((a, b) => b.bitrate - a.bitrate));
  });
  hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => on.listed(details.fragments.map(({ end }) => end)));
  hls.on(Hls.Events.FRAG_BUFFERED, (_, { frag, stats }) => {
    if (frag.sn === 'initSegment') return;
    const level = hls.levels[frag.level];
    const audio = frag.type === 'audio' || !level?.height;
    on.segment({
      start: frag.start,
      end: frag.start + frag.duration,
      bytes: stats.total,
      name: audio ? 'audio' : rungName(level.url[0], level),
      audio: frag.type === 'audio',
    });
  });
  hls.on(Hls.Events.ERROR, (_, { fatal, type, details }) => {
    // A request that hls.js itself gave up, for another rendition's.
    if (details === Hls.ErrorDetails.INTERNAL_ABORTED) return;
    // It waits for a fragment or for the decoder, as anybody can see.
    if (STALLS.includes(details) && !fatal) return;
    // It asks again.
    if (LOADING.test(details) && !fatal) return;
    if (fatal && type === Hls.ErrorTypes.MEDIA_ERROR && recovered++ < 2) {
      hls.recoverMediaError();
      on.error({ fatal: false, text: `Recovering from ${details}.` });
    } else {
      const text =
        type === Hls.ErrorTypes.NETWORK_ERROR ? "The stream can't be loaded." : "The stream can't be played.";
      on.error({ fatal, text: `${text} (${details})` });
    }
  });
  hls.loadSource(url);
  hls.attachMedia(video);

  return {
    select(id) {
      if (id === null) hls.loadLevel = -1;
      // At once, not when what is in the buffer has been played.
      else hls.currentLevel = id;
    },
    bandwidth: () => hls.bandwidthEstimate,
    complete() {
      hls.config.minAutoBitrate = 0;
      hls.config.maxBufferLength = Hls.DefaultConfig.maxBufferLength;
      hls.config.maxMaxBufferLength = Hls.DefaultConfig.maxMaxBufferLength;
      video.removeEventListener('seeking', seeking);
    },
    wake() {
      hls.stopLoad();
      hls.startLoad(video.currentTime);
    },
    destroy() {
      video.removeEventListener('seeking', seeking);
      hls.destroy();
    },
  };
}

function isBuffered({ buffered, currentTime }) {
  const ranges = Array.from({ length: buffered.length }, (_, i) => [buffered.start(i), buffered.end(i)]);
  return ranges.some(([start, end]) => start <= currentTime && currentTime < end);
}

const pick = ({ width, height, bitrate }) => ({ width, height, bitrate });

/** Safari on older iPhones plays HLS by itself and has nothing to say about it. */
function playNatively(video, url, on, at) {
  if (!video.canPlayType('application/vnd.apple.mpegurl')) {
    on.error({ fatal: true, text: "This browser can't play HLS: it lacks Media Source Extensions." });
  } else {
    video.src = url;
    if (at) video.addEventListener('loadedmetadata', () => (video.currentTime = at), { once: true });
    on.renditions([]);
  }
  return { select() {}, bandwidth: () => NaN, complete() {}, wake() {}, destroy: () => video.removeAttribute('src') };
}
