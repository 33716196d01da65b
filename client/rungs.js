/** A rendition's name: the server's, which is part of its address or id ("720p"), else made of the picture's short side. */
export function rungName(address, { width, height }) {
  return /(?:^|[/_-])(\d{3,4}p)(?![A-Za-z0-9])/.exec(address ?? '')?.[1] ?? `${Math.min(width, height)}p`;
}
