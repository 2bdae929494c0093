const units = ['KiB', 'MiB', 'GiB', 'TiB'];

/** `512 B`, `1.5 KiB`, `38 MiB`: two digits where it is a small number, whole otherwise. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const exponent = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** exponent;
  return `${amount < 9.95 ? amount.toFixed(1) : Math.round(amount)} ${units[exponent - 1]}`;
}

/** `8 s`, `3 min`, `3 h 12 min`, `5 d 2 h`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `in 59 d (2026-03-01)`, `3 h 5 min ago (2026-03-01)`; the date in UTC. */
export function formatWhen(atMs: number, nowMs: number): string {
  return `${formatDistance(atMs, nowMs)} (${new Date(atMs).toISOString().slice(0, 10)})`;
}

/** `in 59 d`, `in 5 d 3 h`, `3 h 5 min ago`. */
export function formatDistance(atMs: number, nowMs: number): string {
  const distanceMs = Math.abs(atMs - nowMs);
  const days = Math.floor(distanceMs / 86_400_000);
  const span = days >= 10 ? `${days} d` : formatDuration(Math.max(1_000, distanceMs));
  return atMs > nowMs ? `in ${span}` : `${span} ago`;
}
