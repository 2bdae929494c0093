import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isolationLayers } from '../../../src/config/daemon-schema.ts';
import { probes } from '../../../src/protocol/probe-list.ts';

const folder = new URL('../../../src/probes/', import.meta.url).pathname;
const attacks = globSync('*.pl', { cwd: folder }).flatMap((file) => attacksIn(readFileSync(folder + file, 'utf8')));

/** `$attack{'mount.bind'} = ...`, and the keys of the two tables of files. */
function attacksIn(text: string): string[] {
  const named = [...text.matchAll(/^\s*(?:\$attack\{)?'([a-z]+\.[a-z0-9-]+)'(?:\} =| =>)/gm)].map(([, id = '']) => id);
  const listed = [...text.matchAll(/\("leak\.\$_" => .*qw\((.*?)\)/g)].flatMap(([, names = '']) =>
    names.split(' ').map((name) => `leak.${name}`),
  );
  return [...named, ...listed];
}

test('every probe of the list is in the program that runs them, and none is in there besides', () => {
  expect(attacks.sort()).toEqual(probes.map(({ id }) => id).sort());
});

test('every probe has an id of its own, real layers, and an attack in one line', () => {
  expect(new Set(probes.map(({ id }) => id)).size).toBe(probes.length);
  for (const { stoppedBy, layer, attack, expected } of probes) {
    expect(isolationLayers).toEqual(expect.arrayContaining([...stoppedBy]));
    expect(stoppedBy[0]).toBe(layer);
    expect(attack).toMatch(/^\S[^\n]{4,110}$/);
    expect(expected.join()).toMatch(/^[A-Za-z0-9,-]+$/);
  }
});

test('there are attacks on every layer', () => {
  expect(new Set(probes.map(({ layer }) => layer))).toEqual(new Set(isolationLayers));
});
