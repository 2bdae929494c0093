// What a tenant's way out costs to make, to change and to take away, alone and among others, in a network namespace of its own.
// Usage, as root: npm run bench:egress
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { TenantName } from '../../src/base/ids.ts';
import { closeNetwork, createNetwork, type Network } from '../../src/privileged/networks.ts';
import { findPrograms } from '../../src/privileged/programs.ts';
import { openTestEgress } from '../support/egress-process.ts';

const rounds = 20;
const others = [0, 100, 300];
const list = [
  { host: 'api.example', port: 443 },
  { block: '10.0.0.0/24', port: 5_432 },
];

const [, main = '', inside] = process.argv;
if (inside === undefined) {
  const { status } = spawnSync('unshare', ['--net', '--', process.execPath, main, 'inside'], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  await measure();
}

async function measure(): Promise<void> {
  const directory = mkdtempSync(`${tmpdir()}/egress-bench-`);
  const programs = findPrograms();
  const egress = await openTestEgress(directory);
  const networks: Network[] = [];
  const add = async (): Promise<[TenantName, Network]> => {
    const network = await createNetwork(programs);
    networks.push(network);
    return [`bench${networks.length}` as TenantName, network];
  };
  for (const count of others) {
    while (networks.length < count) await egress.set(...(await add()), list);
    const times = {
      made: [] as number[],
      changed: [] as number[],
      opened: [] as number[],
      counted: [] as number[],
      removed: [] as number[],
    };
    for (let round = 0; round < rounds; round++) {
      const [tenant, network] = await add();
      times.made.push(await timed(() => egress.set(tenant, network, list)));
      times.changed.push(await timed(() => egress.set(tenant, network, [...list, { block: '203.0.113.0/24', port: 80 }])));
      const addresses = [{ address: '203.0.113.1', ttlSeconds: 60 }];
      times.opened.push(await timed(() => egress.openAddresses({ tenant, name: 'api.example', addresses })));
      times.counted.push(await timed(() => egress.readUse()));
      times.removed.push(await timed(() => egress.remove(tenant)));
      closeNetwork(network);
      networks.pop();
    }
    const shown = Object.entries(times).map(([what, all]) => `${what} ${median(all).toFixed(1)} ms`);
    process.stdout.write(`beside ${count} others, median of ${rounds}: ${shown.join(', ')}\n`);
  }
  await egress.close();
  networks.forEach(closeNetwork);
  rmSync(directory, { recursive: true });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

function median(all: number[]): number {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
}
