import { loaderVariables } from '../base/loader-variables.ts';
import { z } from 'zod';
import { parseDomainName } from './domain-name.ts';
import type { Fault, Parsed } from './values.ts';

export interface Route {
  /** One of the tenant's domains, or a name below one of its wildcards. */
  host: string;
  /** Begins with "/"; no "/" at its end, but for "/" itself. */
  path: string;
}

/** `acme.example/api`; without a path it means "/". */
export function parseRoute(text: string): Parsed<Route> {
  const slash = text.indexOf('/');
  const host = parseDomainName(slash === -1 ? text : text.slice(0, slash));
  const path = parseUrlPath(slash === -1 ? '/' : text.slice(slash));
  if ('fault' in host) return { fault: { ...host.fault, message: 'must be host/path' } };
  return 'fault' in path ? path : { value: { host: host.value, path: path.value } };
}

/**
 * A path that requests are compared with as they come. So nothing in it may be written in two ways: no percent signs, no
 * empty, `.` or `..` segments (RFC 3986, 6.2.2).
 */
export function parseUrlPath(text: string): Parsed<string> {
  const path = text === '/' ? text : text.replace(/\/$/, '');
  const segments = path.slice(1).split('/');
  const plain = /^\/[\w.~!$&'()*+,;=:@/-]*$/.test(path) && path.length <= 512;
  const oneWay = path === '/' || segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  if (plain && oneWay) return { value: path };
  return { fault: { message: 'must have a plain path', fix: 'write it like "/api", without "..", "//", "%" and "?"' } };
}

/** Set by tenantd itself (INTERFACE 4). */
const ownNames = new Set(['PATH', 'HOME', 'PORT']);

const maxVariables = 128;
const maxValueCharacters = 4_096;
/** Of all names and values together. */
const maxEnvironmentCharacters = 8_192;

export const environment = z
  .record(z.string().superRefine(checkName), z.string().superRefine(checkValue))
  .superRefine((variables, context) => {
    const entries = Object.entries(variables);
    const size = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
    if (entries.length <= maxVariables && size <= maxEnvironmentCharacters) return;
    const message = `must have at most ${maxVariables} variables and ${maxEnvironmentCharacters} characters`;
    report(context, { message, fix: 'put large values into files', code: 'TENANTD_E_TOO_MANY' });
  })
  .meta({ description: "Environment of the app's processes; secrets belong elsewhere" });

function checkName(name: string, context: z.core.$RefinementCtx): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
    report(context, { message: 'must be named with letters, digits and "_"', fix: 'write it like "LOG_LEVEL"' });
  else if (ownNames.has(name) || name.startsWith('TENANTD_'))
    report(context, { message: 'is set by tenantd and can not be changed', fix: 'remove it' });
  else if (loaderVariables.test(name))
    report(context, { message: 'is not allowed, it changes how programs are loaded', fix: 'set it inside your program' });
}

function checkValue(value: string, context: z.core.$RefinementCtx): void {
  if (value.length > maxValueCharacters)
    report(context, { message: `must have at most ${maxValueCharacters} characters`, fix: 'put it into a file' });
  else if (value.includes('\0')) report(context, { message: 'must not have a zero character', fix: 'remove it' });
}

function report(context: z.core.$RefinementCtx, { message, fix, code }: Fault): void {
  context.addIssue({ code: 'custom', message, params: { fix, code } });
}

/** A program and its arguments, run without a shell. */
export const commandLine = z
  .array(z.string().max(1_024).superRefine(checkValue))
  .min(1)
  .max(64)
  .superRefine((words, context) => {
    if (words[0] === '') report(context, { message: 'must begin with a program', fix: 'write it like ["python3", "app.py"]' });
  });
