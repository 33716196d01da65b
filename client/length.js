/** How many seconds of a video can be sought to: all of it, or of one that grows what is listed of it so far; 0 while unknown. */
export function lengthOf({ duration, seekable }) {
  if (Number.isFinite(duration)) return duration;
  return seekable.length ? seekable.end(seekable.length - 1) : 0;
}
