import { MediaPlayer } from './lib/dashjs/dash.mediaplayer.min.js';
import { rungName } from './rungs.js';

export const name = 'DASH';
export const library = `dash.js ${MediaPlayer().create().getVersion()}`;

const REQUESTS = ['MPD', 'InitializationSegment', 'MediaSegment'];
const AWAY = 600; // seconds without the server before it gives up

const MODEST = 700; // kbit/s, a little less than 360 lines take
const WHILE_UNFINISHED = {
  // Each fragment ahead is made for it alone.
  buffer: { bufferTimeDefault: 12, bufferTimeAtTopQuality: 12, bufferTimeAtTopQualityLongForm: 12 },
  fragmentRequestTimeout: 120_000,
  abr: {
    initialBitrate: { video: 1.2 * MODEST },
    minBitrate: { video: MODEST },
    rules: { abandonRequestsRule: { active: false } },
  },
};
const WHEN_COMPLETE = {
  // As it has them itself.
  buffer: { bufferTimeDefault: 18, bufferTimeAtTopQuality: 30, bufferTimeAtTopQualityLongForm: 60 },
  fragmentRequestTimeout: 20_000,
  abr: { minBitrate: { video: -1 }, rules: { abandonRequestsRule: { active: true } } },
};
// A manifest that grows is that of a live stream to dash.js. Here its edge is a place like any other, and no clock matters.
const WHERE_IT_GROWS = {
  utcSynchronization: { enabled: false },
  delay: { liveDelay: 0 },
  liveCatchup: { enabled: false },
};
const SOUGHT_WHERE_LISTED = { timeShiftBuffer: { calcFromSegmentTimeline: true } };

/** Plays a DASH manifest; the same promises as hls-player.js, but for what is listed. */
export function play(video, url, on, { at = 0, unfinished = false, soonest = null } = {}) {
  if (!('MediaSource' in globalThis || 'ManagedMediaSource' in globalThis)) {
    on.error({ fatal: true, text: "This browser can't play DASH: it lacks Media Source Extensions." });
    return { select() {}, bandwidth: () => NaN, complete() {}, wake() {}, destroy() {} };
  }

  const player = MediaPlayer().create();
  const events = MediaPlayer.events;
  let hasVideo = false;
  let least = unfinished ? MODEST : -1;
  const describe = ({ id, width, height, bandwidth }) => ({
    id,
    name: rungName(id, { width, height }),
    width,
    height,
    bitrate: bandwidth,
  });

  player.on(events.MANIFEST_LOADED, ({ data }) => {
    const sets = data?.Period?.flatMap((period) => period.AdaptationSet ?? []) ?? [];
    const first = sets.flatMap((set) => set.Representation ?? []).find((one) => describe(one).name === soonest);
    if (unfinished && first)
      player.updateSettings({ streaming: { abr: { initialBitrate: { video: (1.2 * first.bandwidth) / 1000 } } } });
  });
  // Not before: it would begin 0.1 s late.
  player.on(events.PERIOD_SWITCH_STARTED, () => player.updateSettings({ streaming: SOUGHT_WHERE_LISTED }));
  player.on(events.STREAM_INITIALIZED, () => {
    const renditions = player.getRepresentationsByTypeUnfiltered('video').map(describe);
    hasVideo = renditions.length > 0;
    on.renditions(renditions.sort((a, b) => b.bitrate - a.bitrate));
  });
  player.on(events.FRAGMENT_LOADING_COMPLETED, ({ request, response, error }) => {
    if (error || request.type !== 'MediaSegment') return;
    const audio = request.mediaType === 'audio';
    on.segment({
      start: request.startTime,
      end: request.startTime + request.duration,
      bytes: response?.byteLength ?? 0,
      name: audio || !hasVideo ? 'audio' : describe(request.representation).name,
      audio: audio && hasVideo,
    });
  });
  player.on(events.ERROR, ({ error }) => {
    const code = error?.code ?? error;
    // dash.js reports only what it has given up on.
    on.error({ fatal: true, text: `The stream can't be played. (${error?.message || `error ${code}`})` });
  });
  player.on(events.PLAYBACK_ERROR, ({ error }) => {
    on.error({ fatal: true, text: `The stream can't be played. (${error?.message || 'the browser gave no reason'})` });
  });
  player.updateSettings({ streaming: { retryAttempts: Object.fromEntries(REQUESTS.map((type) => [type, AWAY])) } });
  player.updateSettings({ streaming: WHERE_IT_GROWS });
  if (unfinished) player.updateSettings({ streaming: WHILE_UNFINISHED });
  player.initialize(video, url, true, at);

  return {
    select(id) {
      const itself = id === null;
      const minBitrate = { video: itself ? least : -1 }; // It refuses what lies below.
      player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: itself }, minBitrate } } });
      // At once, not when what is in the buffer has been played.
      if (!itself) player.setRepresentationForTypeById('video', id, true);
    },
    bandwidth: () => player.getAverageThroughput(hasVideo ? 'video' : 'audio') * 1000,
    complete() {
      least = -1;
      player.updateSettings({ streaming: WHEN_COMPLETE });
    },
    wake() {}, // It asks every second.
    destroy: () => player.destroy(),
  };
}
