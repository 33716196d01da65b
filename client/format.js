/** Figures in words, for people. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** 1234567 -> "1.2 MB" */
export function bytes(count) {
  let power = 0;
  while (power < UNITS.length - 1 && count >= 999.5) {
    count /= 1000;
    power++;
  }
  return `${count.toFixed(power > 0 && count < 9.95 ? 1 : 0)} ${UNITS[power]}`;
}

/** 5123456 -> "5.1 Mb/s" */
export function bitrate(perSecond) {
  if (!Number.isFinite(perSecond) || perSecond <= 0) return '–';
  if (perSecond < 999_500) return `${Math.round(perSecond / 1000)} kb/s`;
  return perSecond < 999.5e6 ? `${(perSecond / 1e6).toFixed(1)} Mb/s` : `${(perSecond / 1e9).toFixed(1)} Gb/s`;
}

/** 75.2 -> "1:15", 3725 -> "1:02:05" */
export function clock(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n) => String(n).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** 75.2 -> "about 1 min left" */
export function timeLeft(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return '';
  if (seconds < 1) return 'almost done';
  if (seconds < 60) return `${Math.ceil(seconds)} s left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${Math.round(seconds / 3600)} h left`;
}

/** "just now", "3 min ago", or the date. */
export function ago(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return '';
  const seconds = (Date.now() - date) / 1000;
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return date.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
}

/** 0.4267 -> "42 %": never 100 % before the end. */
export function percent(part) {
  return `${Math.floor(Math.min(1, Math.max(0, part)) * 100)} %`;
}

/** A title as people say it: "film.mp4" is "film". Uploads are named after their file unless somebody chose a title. */
export function named(title) {
  return title.replace(MEDIA_FILE, '') || title;
}

const MEDIA_FILE = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|m?ts|m2ts|flv|og[gva]|wmv|asf|3gp|mp3|m4a|aac|flac|wav|opus)$/i;
