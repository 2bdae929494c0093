import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { repositoryPath } from '../support/test-daemon.ts';

/** What a process must not load at all, or not at its start: it is paid by every tenant, every worker or every request. */
const bundles = {
  edge: { main: ['base', 'edge', 'http1', 'http2', 'logs', 'protocol'], parts: [] },
  host: { main: ['base', 'http1', 'logs', 'protocol', 'tenant'], parts: ['tenant', 'send'] },
  metrics: { main: ['base', 'metrics', 'protocol'], parts: [] },
  terminal: { main: ['base', 'protocol', 'terminal'], parts: ['terminal', '@lydell'] },
  worker: { main: ['base', 'http1', 'protocol', 'worker'], parts: ['worker'] },
} as const;

test.each(Object.entries(bundles))('the bundle of %s holds only what it may load, and no package at its start', (name, { main, parts }) => {
  const files = readdirSync(repositoryPath('dist')).filter((file) => file.endsWith('.map') && file.split(/[.-]/)[0] === name);
  const first = files.find((file) => /^[^-]+\.c?js\.map$/.test(file)) ?? '';
  const atStart = originsOf(first);
  expect(atStart.length).toBeGreaterThan(0);
  expect(atStart.filter((origin) => !(main as readonly string[]).includes(origin))).toEqual([]);
  const later = files.filter((file) => file !== first).flatMap(originsOf);
  for (const part of parts) expect(later).toContain(part);
  expect([...atStart, ...later]).not.toContain('zod');
});

test('the process for certificates loads an ACME client only where ACME is configured', () => {
  const withClient = readdirSync(repositoryPath('dist')).filter(
    (file) => file.endsWith('.js.map') && originsOf(file).includes('acme-client'),
  );
  expect(withClient).toEqual(['certs-acme-issuer.js.map']);
  const importing = readFileSync(repositoryPath('dist/certs.js'), 'utf8').match(/^.*certs-acme-issuer\.js.*$/gm) ?? [];
  expect(importing).toEqual([expect.stringContaining('import("./certs-acme-issuer.js")')]);
});

/** The folders of src/, and the packages, whose code is in a bundle. */
function originsOf(map: string): string[] {
  const { sources } = JSON.parse(readFileSync(repositoryPath(`dist/${map}`), 'utf8')) as { sources: string[] };
  return [...new Set(sources.map((source) => /(?:node_modules|src)\/([^/]+)/.exec(source)?.[1] ?? source))];
}
