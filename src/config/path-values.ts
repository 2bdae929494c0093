import { posix } from 'node:path';
import type { z } from 'zod';
import { type Parsed, textAs } from './values.ts';

/** Linux's PATH_MAX, less what goes before and after. */
const maxPathCharacters = 1_024;

/** `/srv/tenantd/tenants`, without `.`, `..` or a slash at its end. */
export function parseAbsolutePath(text: string): Parsed<string> {
  if (!posix.isAbsolute(text)) return badPath('must be an absolute path', 'begin it with "/"');
  return parseSegments(text, text.slice(1));
}

/** `pages/errors`: stays inside its folder by its form alone; links are another matter (`resolveInside`). */
export function parseInsidePath(text: string): Parsed<string> {
  if (posix.isAbsolute(text)) return badPath('must be a path inside its own folder', 'write it without the "/" at its start');
  return parseSegments(text, text);
}

/** A file of the operator's: in the tenant's folder, but not in an app's, where the tenant writes; or anywhere by an absolute path. */
export function parseOperatorPath(text: string): Parsed<string> {
  return notInApps(posix.isAbsolute(text) ? parseAbsolutePath(text) : parseInsidePath(text));
}

/** A folder of the operator's, in the tenant's folder. */
export function parseOwnFolder(text: string): Parsed<string> {
  return notInApps(parseInsidePath(text));
}

function notInApps(parsed: Parsed<string>): Parsed<string> {
  if (!('value' in parsed) || !/^apps(\/|$)/.test(parsed.value)) return parsed;
  return badPath("must not lie in `apps`, which is the tenant's", "put it into the tenant's folder itself");
}

function parseSegments(text: string, relative: string): Parsed<string> {
  if (text.length > maxPathCharacters) return badPath(`must have at most ${maxPathCharacters} characters`, 'use a shorter path');
  if (/\p{Cc}/u.test(text)) return badPath('must have no control characters', 'use a plain path');
  if (relative.split('/').includes('..')) return badPath('must not go up with ".."', 'write the path without ".."');
  const normal = posix.normalize(text).replace(/(?<=.)\/$/, '');
  return text === '' ? badPath('must not be empty', 'write a path') : { value: normal };
}

function badPath(message: string, fix: string): Parsed<never> {
  return { fault: { message, fix, code: 'TENANTD_E_BAD_PATH' } };
}

export function absolutePath(description: string, example: string): z.ZodType<string, string> {
  return textAs(parseAbsolutePath, description, example);
}

export function insidePath(description: string, example: string): z.ZodType<string, string> {
  return textAs(parseInsidePath, description, example);
}
