import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { errorCodes } from '../../src/base/error-codes.ts';
import { createProgram } from '../../src/cli/program.ts';
import { createPaint } from '../../src/cli/terminal.ts';
import { type Commands, errorTable, findErrorCodes, findMissingPaths, findUnknownCommands } from './documentation-rules.ts';

const root = new URL('../..', import.meta.url).pathname;
const documents = ['README.md', 'src/README.md'];
const read = (document: string): string => readFileSync(`${root}${document}`, 'utf8');
const exists = (path: string): boolean => existsSync(`${root}${path}`);
const commands = commandsOfTenantctl();

function commandsOfTenantctl(): Commands {
  const terminal = { width: 80, errorWidth: 80, paint: createPaint(false), writeOut: () => {}, writeErr: () => {}, onInterrupt: () => {} };
  const session = (): never => {
    throw new Error('no command is run');
  };
  const program = createProgram({ terminal, configFile: '', isRoot: false, now: Date.now, session }, () => {});
  return new Map(program.commands.map((command) => [command.name(), command.commands.map((below) => below.name())]));
}

test('the error table of README.md is that of src/base/error-codes.ts', () => {
  const [, block] = /<!-- error-codes -->\n([\s\S]*?)<!-- \/error-codes -->/.exec(read('README.md')) ?? [];
  expect(block?.trim()).toBe(errorTable(errorCodes));
});

describe.each(documents)('%s', (document) => {
  test('names only files that exist', () => {
    expect(findMissingPaths(read(document), exists)).toEqual([]);
  });

  test('names only commands of tenantctl that exist', () => {
    expect(findUnknownCommands(read(document), commands)).toEqual([]);
  });

  test('names only error codes that exist', () => {
    expect(findErrorCodes(read(document)).filter((code) => !Object.hasOwn(errorCodes, code))).toEqual([]);
  });
});

describe('each rule can fail:', () => {
  test('a file that is not there', () => {
    const text = 'See `src/cli/main.ts`, `src/cli/` and src/cli/gone.ts. Run `scripts/test`, then scripts/tset; any of `src/*/main.ts`.';
    expect(findMissingPaths(text, exists)).toEqual(['src/cli/gone.ts', 'scripts/tset']);
  });

  test('a file that is named from src/', () => {
    expect(findMissingPaths('from `cli/main.ts` to `cli/gone.ts`, built by `scripts/build.ts`', exists)).toEqual(['src/cli/gone.ts']);
  });

  test.each([
    ['`tenantctl teleport`', ['teleport']],
    ['`scripts/tenantctl --config x.yaml --json teleport`', ['teleport']],
    ['`tenantctl app explode acme/site`', ['app explode']],
    ['`tenantctl app restart/resize acme/site`', ['app resize']],
    ['```\n$ scripts/tenantctl status\n$ sudo tenantctl frobnicate\n```', ['frobnicate']],
  ])('a command that is not there in %o', (text, unknown) => {
    expect(findUnknownCommands(text, commands)).toEqual(unknown);
  });

  test.each([
    '`tenantctl` is the client',
    'tenantctl teleport is not code here',
    '`tenantctl status`, `tenantctl --json status acme`, `tenantctl app restart|stop|start TENANT/APP`',
    '`tenantctl --help`, `tenantctl help`, `tenantctl COMMAND --help`, `tenantctl ...`',
    '```\ntenantctl: there is no tenant x (TENANTD_E_NO_SUCH_TENANT)\n```',
  ])('and %o passes', (text) => {
    expect(findUnknownCommands(text, commands)).toEqual([]);
  });

  test('a table that lacks a code, or says something else of it', () => {
    const table = errorTable({ TENANTD_E_A: 'First', TENANTD_E_B: 'Second' });
    expect(table).toBe('| code | meaning |\n|---|---|\n| `TENANTD_E_A` | First |\n| `TENANTD_E_B` | Second |');
    expect(findErrorCodes(`${table} and TENANTD_E_GONE`)).toEqual(['TENANTD_E_A', 'TENANTD_E_B', 'TENANTD_E_GONE']);
  });
});
