import type { AppTarget } from './app-target.ts';

interface PathEntry {
  /** Without a trailing slash; empty for `/`. */
  prefix: string;
  target: AppTarget;
}

export interface PathRoutes {
  /** Longest prefix first. */
  entries: readonly PathEntry[];
  /** Set when `/` is the only prefix: then no path needs a look. */
  only: AppTarget | undefined;
}

export function buildPathRoutes(routes: readonly { prefix: string; target: AppTarget }[]): PathRoutes {
  const entries = routes
    .map(({ prefix, target }) => ({ prefix: prefix.replace(/\/+$/, ''), target }))
    .sort((a, b) => b.prefix.length - a.prefix.length);
  const [first] = entries;
  return { entries, only: entries.length === 1 && first?.prefix === '' ? first.target : undefined };
}

/** `//`, `/.`, `%` or `\`: only then can two readers see two paths in one. */
const needsReading = /[%\\]|\/[./]/;

/**
 * The app for a request target (`/path?query`, or `*`). A path that one reader may take for another path than the next reader
 * does (`/%61pi`, `/x/../api`, `/x%2f..%2fapi`) is looked up as RFC 3986 6.2.2 normalises it; when a reader who also decodes
 * slashes or merges them would land in another app, it is `ambiguous`, since the app we choose might be that reader. The
 * app always gets the target as it was sent.
 */
export function findApp(routes: PathRoutes, target: string): AppTarget | 'ambiguous' | undefined {
  if (routes.only) return routes.only;
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  if (path === '*') return lookUp(routes, '/');
  if (!needsReading.test(path)) return lookUp(routes, path);
  const strict = lookUp(routes, normalise(decodeUnreserved(path)));
  const lenient = lookUp(routes, normalise(decodeSlashes(path)));
  return strict === lenient ? strict : 'ambiguous';
}

function lookUp({ entries }: PathRoutes, path: string): AppTarget | undefined {
  for (const { prefix, target } of entries) {
    if (path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f)) return target;
  }
  return undefined;
}

function decodeUnreserved(path: string): string {
  return path.replaceAll(/%([0-9a-f]{2})/gi, (escape: string, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[a-z0-9\-._~]/i.test(character) ? character : escape;
  });
}

/** Twice, for a reader behind a reader; with a path parameter (`..;x`) cut off, as servlet containers do. */
function decodeSlashes(path: string): string {
  let decoded = path;
  for (let round = 0; round < 2; round++) {
    decoded = decoded.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  return decoded
    .replaceAll('\\', '/')
    .replaceAll(/;[^/]*/g, '')
    .replaceAll(/\/{2,}/g, '/');
}

/** RFC 3986 5.2.4: remove dot segments. */
function normalise(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  segments.forEach((segment, index) => {
    const isLast = index === segments.length - 1;
    if (segment === '..') kept.pop();
    if (segment !== '..' && segment !== '.') kept.push(segment);
    else if (isLast) kept.push('');
  });
  return `/${kept.join('/')}`;
}
