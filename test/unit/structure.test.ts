import { describe, expect, test } from 'vitest';
import { parseSource, readSources, type SourceFile } from './source-files.ts';
import {
  type Allowance,
  checkFileName,
  checkImports,
  checkModuleState,
  checkProcessUse,
  countCodeLines,
  loadedFrom,
  type Violation,
} from './source-rules.ts';

/** Who may import whom. `src/README.md` shows it too. */
const importTable: Record<string, Allowance> = {
  // Layers
  base: { folders: [], packages: [] },
  protocol: { folders: ['base'], packages: ['zod'] },
  config: { folders: ['base'], packages: ['zod', 'yaml'] },
  dns: { folders: ['base'], packages: [] },
  http1: { folders: ['base'], packages: [] },
  http2: { folders: ['base'], packages: [] },
  logs: { folders: ['base'], packages: [] },
  privileged: { folders: ['base'], packages: [] },
  // Processes
  daemon: { folders: ['privileged', 'config', 'protocol', 'base'], packages: ['pino', 'zod'] },
  edge: { folders: ['http1', 'http2', 'logs', 'protocol', 'base'], packages: [] },
  tenant: { folders: ['http1', 'logs', 'protocol', 'base'], packages: ['send'] },
  job: { folders: ['logs', 'protocol', 'config', 'base'], packages: ['tar-stream'] },
  terminal: { folders: ['protocol', 'base'], packages: ['@lydell/node-pty'] },
  worker: { folders: ['http1', 'protocol', 'base'], packages: [] },
  resolver: { folders: ['dns', 'protocol', 'base'], packages: [] },
  metrics: { folders: ['protocol', 'base'], packages: [] },
  certs: { folders: ['dns', 'protocol', 'base'], packages: ['acme-client', '@peculiar/x509', 'zod'] },
  cli: { folders: ['protocol', 'config', 'base'], packages: ['commander', 'tar-stream'] },
  doctor: { folders: ['privileged', 'config', 'protocol', 'base'], packages: [] },
};
const processes = ['daemon', 'edge', 'certs', 'resolver', 'metrics', 'tenant', 'job', 'terminal', 'worker', 'cli', 'doctor'];

/** Violations that are meant, each with its reason. */
const exceptions: Record<Violation, string> = {
  'src/worker/run-entry.ts: uses process.argv': "an app must find itself in argv, as Node's main program does",
  'src/worker/run-entry.ts: imports a name that is computed': 'it is the app',
};

/** Lines of code in the files that the daemon loads. What runs as root is to stay small enough to be read. */
const rootLineBudget = 29_000;

/** What opens, or parses, files that a tenant can write: for jobs, in their sandboxes. `check` runs as whoever calls it. */
const readersOfTenantFiles = ['manifest', 'guess-start', 'app-folder', 'check'].map((name) => `src/config/${name}.ts`);

const sources = readSources(new URL('../..', import.meta.url).pathname);
const rules = { checkFileName, checkModuleState, checkProcessUse, checkImports: (file: SourceFile) => checkImports(file, importTable) };

describe('the sources', () => {
  const violations = Object.values(rules).flatMap((rule) => sources.flatMap(rule));

  test('keep every rule', () => {
    expect(violations.filter((violation) => !Object.hasOwn(exceptions, violation))).toEqual([]);
  });

  test('need every exception', () => {
    expect(Object.keys(exceptions).filter((exception) => !violations.includes(exception))).toEqual([]);
  });

  test('have exactly the folders of the import table', () => {
    expect([...new Set(sources.map(({ folder }) => folder))].sort()).toEqual(Object.keys(importTable).sort());
  });

  test.each(processes)('of %s have a main.ts, and import other folders', (process) => {
    const files = sources.filter(({ folder }) => folder === process);
    expect(files.filter(({ name }) => name === 'main.ts').length).toBe(1);
    const specifiers = files.flatMap(({ imports }) => imports.map(({ specifier }) => specifier ?? ''));
    expect(specifiers.filter((specifier) => specifier.startsWith('../')).length).toBeGreaterThan(0);
    expect(specifiers.filter((specifier) => specifier.startsWith('node:')).length).toBeGreaterThan(0);
  });

  test('of layers have no main.ts', () => {
    const mains = sources.filter(({ name, folder }) => name === 'main.ts' && !processes.includes(folder));
    expect(mains.map(({ path }) => path)).toEqual([]);
  });

  test('that run as root stay within their budget', () => {
    const loaded = loadedFrom('src/daemon/main.ts', sources);
    const lines = countCodeLines(loaded);
    const folders = [...Map.groupBy(loaded, ({ folder }) => folder)].map(([folder, files]) => `${folder} ${countCodeLines(files)}`);
    console.log(`${lines} lines of code run as root, of at most ${rootLineBudget}: ${folders.sort().join(', ')}`);
    expect(loaded.map(({ folder }) => folder)).toEqual(expect.arrayContaining(['daemon', 'privileged', 'protocol', 'base']));
    expect(lines).toBeLessThanOrEqual(rootLineBudget);
  });

  test('that read what a tenant wrote are there, and root does not load them', () => {
    const pathsOf = (files: SourceFile[]): string[] => files.map(({ path }) => path);
    expect(pathsOf(sources)).toEqual(expect.arrayContaining(readersOfTenantFiles));
    expect(pathsOf(loadedFrom('src/daemon/main.ts', sources)).filter((path) => readersOfTenantFiles.includes(path))).toEqual([]);
  });
});

describe('each rule can fail:', () => {
  const faultsOf = (rule: (file: SourceFile) => Violation[], path: string, text: string): string[] =>
    rule(parseSource(path, text)).map((violation) => violation.slice(path.length + 2));

  test.each([
    ['another process', 'src/edge/a.ts', "import { x } from '../daemon/plan.ts';", 'may not import src/daemon/plan.ts'],
    ['for its types only', 'src/edge/a.ts', "import type { X } from '../privileged/users.ts';", 'may not import src/privileged/users.ts'],
    ['for one type', 'src/edge/a.ts', "let x: import('../config/plans.ts').Plan;", 'may not import src/config/plans.ts'],
    ['later', 'src/edge/a.ts', "export const f = () => import('../config/plans.ts');", 'may not import src/config/plans.ts'],
    ['by computing it', 'src/edge/a.ts', 'const f = (n: string) => import(n);', 'imports a name that is computed'],
    ['for its effects', 'src/base/a.ts', "import '../config/plans.ts';", 'may not import src/config/plans.ts'],
    ['to pass it on', 'src/base/a.ts', "export { x } from '../protocol/lines.ts';", 'may not import src/protocol/lines.ts'],
    ['to pass all on', 'src/base/a.ts', "export * from '../protocol/lines.ts';", 'may not import src/protocol/lines.ts'],
    ['by require', 'src/worker/a.ts', "const x = require('zod');", 'may not import the package zod'],
    ['a package', 'src/worker/a.ts', "import { z } from 'zod';", 'may not import the package zod'],
    ['a part of a package', 'src/worker/a.ts', "import { z } from 'zod/mini';", 'may not import the package zod'],
    ['a package of a scope', 'src/worker/a.ts', "import { x } from '@scope/name/part';", 'may not import the package @scope/name'],
    ["Node's parts by their old names", 'src/worker/a.ts', "import fs from 'fs';", 'may not import the package fs'],
    ['process by name', 'src/worker/a.ts', "import { env } from 'node:process';", 'imports node:process, which hides what it reads'],
    ['a main.ts', 'src/cli/a.ts', "import './main.ts';", 'imports src/cli/main.ts, which starts a process'],
    ['tests', 'src/cli/a.ts', "import '../../test/unit/x.ts';", 'imports test/unit/x.ts, which is outside of src'],
  ])('importing %s', (_what, path, text, fault) => {
    expect(faultsOf(rules.checkImports, path, text)).toEqual([fault]);
  });

  test('a folder that the table does not have', () => {
    expect(faultsOf(rules.checkImports, 'src/extra/a.ts', '')).toEqual(['the import table has no folder extra']);
  });

  test('and what is allowed passes', () => {
    const text =
      "import { z } from 'zod'; import { a } from '../privileged/a.ts'; import b from './b.ts'; import c from 'node:fs'; export { c };";
    expect(faultsOf(rules.checkImports, 'src/daemon/a.ts', text)).toEqual([]);
  });

  test.each([
    ['process.exit(1);', 'exit'],
    ["const f = () => process['env'].HOME;", 'env'],
    ["process.on('SIGTERM', () => {});", 'on'],
    ["process.once('exit', () => {});", 'once'],
    ['process.exitCode = 1;', 'exitCode'],
    ['const { argv } = process;', 'argv'],
  ])('%s outside of main.ts', (text, name) => {
    expect(faultsOf(checkProcessUse, 'src/edge/a.ts', text)).toEqual([`uses process.${name}`]);
    expect(faultsOf(checkProcessUse, 'src/edge/main.ts', text)).toEqual([]);
  });

  test('process.pid is free', () => {
    expect(faultsOf(checkProcessUse, 'src/edge/a.ts', 'export const pid = process.pid; process.kill(pid);')).toEqual([]);
  });

  test.each(['let count = 0;', 'export let count = 0;', 'var count;'])('%s in a module', (text) => {
    expect(faultsOf(checkModuleState, 'src/edge/a.ts', text)).toEqual([
      expect.stringMatching(/^a `(let|var)` at the level of the module$/),
    ]);
    expect(faultsOf(checkModuleState, 'src/edge/a.ts', `export function f() { ${text.replace('export ', '')} }`)).toEqual([]);
  });

  test.each([
    'src/edge/routeTable.ts',
    'src/edge/route_table.ts',
    'src/edge/Route.ts',
    'src/edge/route.js',
    'src/edge/utils.ts',
    'src/edge/route-helpers.ts',
    'src/edge/common.ts',
    'src/edge/pool-manager.ts',
    'src/edge/routes/table.ts',
    'src/main.ts',
  ])('the name %s', (path) => {
    expect(faultsOf(checkFileName, path, '').length).toBe(1);
  });

  test('lines that run as root: what is loaded counts, and types do not', () => {
    const files = [
      parseSource('src/daemon/main.ts', "import './a.ts';\nimport type { B } from '../config/b.ts';\n"),
      parseSource('src/daemon/a.ts', "/**\n * Why.\n */\nimport './main.ts'; // why\n\n  // why\nexport { c } from '../base/c.ts';\n"),
      parseSource('src/config/b.ts', 'export type B = 1;\n'),
      parseSource('src/base/c.ts', 'export const c = 1;\n'),
    ];
    const loaded = loadedFrom('src/daemon/main.ts', files);
    expect(loaded.map(({ path }) => path)).toEqual(['src/daemon/main.ts', 'src/daemon/a.ts', 'src/base/c.ts']);
    expect(countCodeLines(loaded)).toBe(5);
  });
});
