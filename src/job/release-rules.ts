/** What may be in a release. Names and links are judged by their text alone: nothing that was unpacked is ever looked up. */

/** A release that was refused, in words for whoever deploys it. */
export class ReleaseFault extends Error {
  readonly fix: string;

  constructor(message: string, fix: string) {
    super(message);
    this.fix = fix;
  }
}

export interface ReleaseCaps {
  bytes: number;
  /** Files, directories and links. */
  entries: number;
}

/** Of one name in a directory (ext4, tmpfs), of a whole path, and of how deep it is. */
const maxNameBytes = 255;
const maxPathBytes = 1_024;
const maxDepth = 64;

/** Control characters; and what a decoder put where bytes were not UTF-8. */
// oxlint-disable-next-line no-control-regex -- they are what it is for
const unfit = /[\u0000-\u001f\u007f\ufffd]/;

/** The names from the release's folder down; none of them for that folder itself. Throws ReleaseFault. */
export function partsOf(name: string): string[] {
  if (name.startsWith('/')) throw new ReleaseFault(`${show(name)} is an absolute name`, 'pack the folder with names relative to it');
  if (unfit.test(name)) throw new ReleaseFault(`${show(name)} has a control character, or is not UTF-8`, 'rename it');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new ReleaseFault(`${show(name)} leaves its folder`, 'pack the folder with names relative to it');
  if (parts.some((part) => Buffer.byteLength(part) > maxNameBytes) || Buffer.byteLength(name) > maxPathBytes)
    throw new ReleaseFault(`${show(name)} is a name over ${maxNameBytes} bytes, or a path over ${maxPathBytes}`, 'shorten it');
  if (parts.length > maxDepth) throw new ReleaseFault(`${show(name)} is over ${maxDepth} folders deep`, 'make it flatter');
  return parts;
}

/**
 * Throws ReleaseFault for a link that could lead out. Whoever follows it begins in a real folder, since nothing is unpacked through
 * links: so ".." at its beginning goes up as many folders as it says, and each name after that goes down, or along another link
 * of which the same is true. Only a ".." after a name would go up from nobody knows where.
 */
export function assertInside(parts: readonly string[], target: string): void {
  const path = parts.join('/');
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  const ups = steps.findIndex((step) => step !== '..');
  const isPlain = target !== '' && !target.startsWith('/') && !unfit.test(target) && Buffer.byteLength(target) <= maxPathBytes;
  const goesUp = ups === -1 ? steps.length : ups;
  if (isPlain && goesUp <= parts.length - 1 && !steps.slice(goesUp).includes('..')) return;
  throw new ReleaseFault(
    `the link ${show(path)} leads to ${show(target)}, which is not surely in its release`,
    'make it a relative link to something in the folder, or put the file itself there',
  );
}

export function show(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}...` : name);
}
