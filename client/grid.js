/**
 * Where each of `total` segments ends, in seconds: as `listed` has it. Those that are not listed yet are taken to be as long as
 * the last one that is; if none is, all are of one length.
 */
export function endsOf(total, listed, length) {
  if (listed.length === 0) return Array.from({ length: total }, (_, i) => (length * (i + 1)) / total);
  const step = listed.at(-1) - (listed.at(-2) ?? 0);
  return Array.from({ length: total }, (_, i) => listed[i] ?? listed.at(-1) + (i + 1 - listed.length) * step);
}
