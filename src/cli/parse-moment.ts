import { InvalidArgumentError } from 'commander';

const unitMs: Partial<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const dayPattern = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/;

/** `10m` ago, `today`, `yesterday`, `2026-11-21`, `2026-11-21T10:00` and the like, in the local time zone unless it says another; as ISO 8601 in UTC. */
export function parseMoment(text: string, nowMs: number): string {
  const ms = agoMs(text, nowMs) ?? dayMs(text, nowMs) ?? dateMs(text);
  if (ms !== undefined && Number.isFinite(ms)) return new Date(ms).toISOString();
  throw new InvalidArgumentError('Give 10m, 2h or 3d ago, today, yesterday, 2026-11-21 or 2026-11-21T10:00.');
}

function agoMs(text: string, nowMs: number): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  const ms = unitMs[unit];
  return ms === undefined ? undefined : nowMs - Number(count) * ms;
}

function dayMs(text: string, nowMs: number): number | undefined {
  const now = new Date(nowMs);
  const back = ['today', 'yesterday'].indexOf(text);
  return back === -1 ? undefined : new Date(now.getFullYear(), now.getMonth(), now.getDate() - back).getTime();
}

function dateMs(text: string): number | undefined {
  const [, year, month, day, time = '00:00', zone = ''] = dayPattern.exec(text) ?? [];
  // Months have the days that they have: a Date goes on into the next.
  if (new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() !== Number(day)) return undefined;
  return new Date(`${year}-${month}-${day}T${time}${zone}`).getTime();
}
