import { actionsFor } from './actions.js';
import { Both } from './both.js';
import * as dash from './dash-player.js';
import { say } from './dom.js';
import { ago, bytes, clock, named } from './format.js';
import * as hls from './hls-player.js';
import { Job } from './job.js';
import { Matrix } from './matrix.js';
import { connect, pageUrl, serverUrl } from './page.js';
import { Panel } from './panel.js';

const $ = (selector) => document.querySelector(selector);
const hash = new URLSearchParams(location.search).get('v');

const panels = [hls, dash].map((kind) => new Panel(kind));
let video = null;
let upload = null;
let playing = false;

const link = connect({
  state(message) {
    upload = message.uploads.find((one) => one.hash === hash) ?? null;
    take(message.videos, message.online !== null);
  },
  videos: (message) => take(message.videos, true),
  video(message) {
    if (message.video.video_hash === hash) show(message.video);
  },
  gone: (message) => message.hash === hash && missing('This video was deleted.'),
  upload(message) {
    if (message.upload.hash !== hash) return;
    upload = message.upload;
    if (video) show(video);
  },
  ended({ key }) {
    if (upload?.key !== key) return;
    upload = null;
    if (video) show(video);
  },
  back: () => panels.forEach((panel) => panel.wake()),
});

// The library page takes files.
const job = new Job({ ...actionsFor(link), choose: () => (location.href = pageUrl('./')) });

const matrix = new Matrix((at) => both.seek(at));
$('#matrix').append(matrix.element);

function take(videos, complete) {
  const found = videos.find((one) => one.video_hash === hash);
  if (found) show(found);
  else if (complete)
    missing(hash ? 'There is no such video here.' : 'No video was asked for. Choose one in the library.');
}

function missing(text) {
  video = null;
  document.title = 'VidPipeline';
  say($('#title'), 'Nothing to play');
  say($('#meta'), '');
  say($('#notice'), text);
  $('#notice').hidden = false;
  $('#progress').replaceChildren();
  stop();
}

function show(now) {
  video = now;
  document.title = `${named(video.title)} · VidPipeline`;
  say($('#title'), named(video.title));
  const size = video.width ? `${video.width} × ${video.height}` : '';
  const length = video.duration ? clock(video.duration) : '';
  say(
    $('#meta'),
    [length, size, video.codec, bytes(video.file_size), ago(video.created_at)].filter(Boolean).join(' · '),
  );
  $('#description').hidden = !video.description;
  say($('#description'), video.description ?? '');

  const done = video.status === 'completed';
  $('#notice').hidden = !(done && video.error);
  say($('#notice'), done ? (video.error ?? '') : '');
  if (done) {
    $('#progress').replaceChildren();
  } else {
    job.show(video, upload);
    if (!job.element.isConnected) $('#progress').replaceChildren(job.element);
  }
  matrix.show(video);
  // Long before it is completed: what is not there yet comes when it is asked for. A video that fails after all has none.
  if (video.hls_url) start();
  else stop();
  if (done) panels.forEach((panel) => panel.complete());
}

function start() {
  if (playing) return;
  playing = true;
  $('#stage').hidden = false;
  const poster = serverUrl(video.thumbnail_url);
  const how = {
    unfinished: video.status !== 'completed',
    soonest: video.progress?.renditions.find(({ copied }) => copied)?.name ?? null,
  };
  panels[0].start(serverUrl(video.hls_url), poster, how);
  panels[1].start(serverUrl(video.dash_url), poster, how);
}

function stop() {
  playing = false;
  $('#stage').hidden = true;
  panels.forEach((panel) => panel.stop());
}

$('#players').append(...panels.map(({ element }) => element));
const both = new Both(...panels.map(({ video: element }) => element));
setInterval(() => {
  if (!playing) return;
  both.tick();
  matrix.measure(both.length, panels[0].listed);
  panels.forEach((panel) => panel.tick());
}, 250);
