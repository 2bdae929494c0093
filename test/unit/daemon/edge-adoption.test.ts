import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { removeOtherFolders, sortAdopted } from '../../../src/daemon/edge-adoption.ts';
import type { Sandbox } from '../../../src/daemon/sandbox-registry.ts';

let started = 0;
function sandbox(phase: string): Sandbox {
  const role = { role: 'edge', name: `n${++started}`, phase, addresses: [], build: 'b', settings: 's' };
  // Nothing else of it is looked at.
  return { id: role.name, startedAtMs: started, role } as unknown as Sandbox;
}

test('of several edge masters the newest that serves goes on', () => {
  const [retiring, first, second, starting] = ['retiring', 'serving', 'serving', 'starting'].map(sandbox);
  const { serves, known, unknown } = sortAdopted([retiring, first, second, starting].filter((one) => one !== undefined));
  expect(serves).toBe(second);
  expect(known.map((one) => one.sandbox)).toEqual([starting, second, first, retiring]);
  expect(unknown).toEqual([]);
});

test('where none serves, one that was about to goes on, and never one that retires', () => {
  const [retiring, starting] = [sandbox('retiring'), sandbox('starting')];
  expect(sortAdopted([retiring, starting]).serves).toBe(starting);
  expect(sortAdopted([retiring]).serves).toBe(undefined);
});

test('a record that nobody can read is set apart', () => {
  const old = { role: { role: 'edge', settings: 'old' } } as unknown as Sandbox;
  expect(sortAdopted([old])).toEqual({ known: [], unknown: [old], serves: undefined });
});

test('folders of masters that ended are removed, and no others', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tenantd-edges-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const { known } = sortAdopted([sandbox('serving')]);
  for (const name of [known[0]?.role.name ?? '', 'ended.0']) mkdirSync(`${directory}/${name}`);
  removeOtherFolders(directory, known);
  expect(readdirSync(directory)).toEqual([known[0]?.role.name]);
});
