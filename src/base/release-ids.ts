/** The release of an app whose folder the operator put there. */
export const localRelease = 'local';

/** `20261121-133405-x7k2`: when it was made, in UTC, the part of the second in two characters, and two by chance. They sort by time. */
const idPattern = /^\d{8}-\d{6}-[a-z0-9]{4}$/;
/** Of two characters. */
const suffixCount = 36 ** 2;
const currentPattern = /^releases\/(\d{8}-\d{6}-[a-z0-9]{4})$/;

export function isReleaseId(text: string): boolean {
  return idPattern.test(text);
}

export function newReleaseId(atMs: number, random: () => number = Math.random): string {
  const [day = '', time = ''] = new Date(atMs).toISOString().split(/[T.]/);
  const suffix = base36(Math.floor(((atMs % 1_000) / 1_000) * suffixCount)) + base36(Math.floor(random() * suffixCount));
  return `${day.replaceAll('-', '')}-${time.replaceAll(':', '')}-${suffix}`;
}

function base36(number: number): string {
  return number.toString(36).padStart(2, '0');
}

/** Where the link `current` of an app points to. */
export function linkTextOf(release: string): string {
  return `releases/${release}`;
}

/** Undefined: a link with this text makes no release the current one. */
export function releaseOfLink(text: string): string | undefined {
  return currentPattern.exec(text)?.[1];
}
