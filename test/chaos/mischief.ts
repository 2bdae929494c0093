import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/base/errors.ts';
import { attempt } from './attempt.ts';
import { type Action, pickTouched, type World } from './world.ts';

const breakages = ['empty', 'torn', 'garbage', 'unreadable', 'a folder'] as const;
type Breakage = (typeof breakages)[number] | 'gone';
const brokenFiles = ['tenant.yaml', 'apps/site/app.yaml'] as const;
/** In the middle of the first line: what is cut between two lines is another file, and a good one. */
const tornBytes = 6;

const breakFile: Action = {
  name: 'break a file',
  weight: 4,
  mayBeCut: true,
  async run(world) {
    const { daemon, random, ledger } = world;
    const tenant = pickTouched(world);
    const path = random.pick(brokenFiles);
    // A folder with no app.yaml is a good one.
    const how = random.pick(path === 'tenant.yaml' ? [...breakages, 'gone' as const] : breakages);
    ledger.step(`  ${tenant.name}/${path} is ${how}`);
    const file = `${daemon.tenantsDir}/${tenant.name}/${path}`;
    const content = tenant.files[path] ?? '';
    breakIt(file, how, content);
    world.behind(mendLater(world, file, content, random.below(4_000)));
  },
};

const fillDisk: Action = {
  name: "fill a tenant's disk",
  weight: 1,
  mayBeCut: true,
  async run(world) {
    const tenant = pickTouched(world, ({ isLively }) => isLively);
    world.ledger.step(`  ${tenant.name}: ${await ask(world, tenant.host, '/fill')}`);
    world.behind(delay(500 + world.random.below(2_000)).then(() => ask(world, tenant.host, '/clear')));
  },
};

export const mischief: readonly Action[] = [breakFile, fillDisk];

/** At the end: whatever was broken, and by whom. */
export function mendAll({ daemon, tenants }: World): void {
  for (const { name, files } of tenants) {
    for (const path of brokenFiles) mend(`${daemon.tenantsDir}/${name}/${path}`, files[path] ?? '');
  }
}

function breakIt(file: string, how: Breakage, content: string): void {
  // It may be broken already.
  if (how === 'a folder' || how === 'gone' || !isFile(file)) rmSync(file, { force: true, recursive: true });
  if (how === 'a folder') mkdirSync(file);
  if (how === 'unreadable') writeFileSync(file, content);
  if (how === 'unreadable') chmodSync(file, 0);
  if (how === 'empty') writeFileSync(file, '');
  if (how === 'torn') writeFileSync(file, content.slice(0, tornBytes));
  if (how === 'garbage') writeFileSync(file, Buffer.from([0x7b, 0x00, 0xff, 0xfe, 0x5b, 0x0a, 0x2d]));
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

async function mendLater({ ledger }: World, file: string, content: string, afterMs: number): Promise<void> {
  await delay(afterMs);
  mend(file, content);
  ledger.step(`  (mended ${file.split('/').slice(-3).join('/')})`);
}

function mend(file: string, content: string): void {
  rmSync(file, { force: true, recursive: true });
  writeFileSync(file, content);
}

/** It may have no worker now. */
function ask({ daemon }: World, host: string, path: string): Promise<string> {
  return attempt({ port: daemon.port, host, path }).then(({ text }) => text.slice(0, 100), messageOf);
}
