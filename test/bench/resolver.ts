// What a lookup costs at the resolver of tenants' names, and its memory: the built process, outside of a sandbox, with a stand-in for
// the daemon that opens addresses at once. Usage: npm run build && npm run bench:resolver
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createChannel } from '../../src/protocol/channel.ts';
import { askByUdp, encodeQuery, freeDnsPort, typeA } from '../support/dns-query.ts';
import { StubDns } from '../support/stub-dns.ts';
import { until } from '../support/until.ts';

const rounds = 300;
/** Below the rate that one tenant may ask at. */
const pauseMs = 3;
const listed = '127.0.0.2';
const open = '127.0.0.3';

const directory = mkdtempSync(join(tmpdir(), 'resolver-bench-'));
const controlSocket = join(directory, 'control.sock');
const upstream = await StubDns.start(() => ({ answers: [{ type: 'A', value: '198.51.100.7', ttl: 300 }] }));
const resolver = { host: '127.0.0.1', port: await freeDnsPort() };
const daemon = createServer((stream) => {
  const channel = createChannel({ stream, handlers: { 'open-addresses': () => null } });
  const names = Array.from({ length: rounds }, (_, at) => `n${at}.test`);
  channel.notify('configure', { listen: [resolver], upstreams: [upstream.address] });
  channel.notify('snapshot-begin', {});
  channel.notify('set-tenant', { tenant: 'listed', addresses: [listed], names });
  channel.notify('set-tenant', { tenant: 'open', addresses: [open], names: 'any' });
  channel.notify('snapshot-end', {});
}).listen(controlSocket);
await once(daemon, 'listening');

const main = new URL('../../dist/resolver.js', import.meta.url).pathname;
const child = spawn(process.execPath, [main, JSON.stringify({ controlSocket })], { stdio: 'inherit' });
const first = { from: open, to: resolver, query: encodeQuery('first.test', typeA), limitMs: 100 };
await until(async () => (await askByUdp(first)) !== undefined, 'the resolver answers');

const row = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(64)} ${value.padStart(9)}\n`);
row('memory (PSS) after its start', memory());
row('the stub of an upstream, asked directly', await median('127.0.0.1', upstream.address, () => 'a.test'));
row('a name not known: asked of the upstream, and opened', await median(listed, resolver, (round) => `n${round}.test`));
row('a name that is known and open', await median(listed, resolver, () => 'n1.test'));
await median(open, resolver, (round) => `m${round}.test`, 2_000);
row('memory after 2,000 names more', memory());

child.kill();
daemon.close();
await upstream.close();
rmSync(directory, { recursive: true });
process.exit(0);

/** One question after the other, from one socket; from asking to the answer. */
async function median(
  from: string,
  to: { host: string; port: number },
  nameOf: (round: number) => string,
  count = rounds,
): Promise<string> {
  const socket = createSocket('udp4').bind({ address: from, port: 0 });
  await once(socket, 'listening');
  const times: number[] = [];
  for (let round = 0; round < count; round += 1) {
    const beganMs = performance.now();
    socket.send(encodeQuery(nameOf(round), typeA), to.port, to.host);
    await once(socket, 'message');
    times.push(performance.now() - beganMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  socket.close();
  return `${Math.round((times.sort((a, b) => a - b)[Math.floor(count / 2)] ?? 0) * 1_000)} us`;
}

function memory(): string {
  const kilobytes = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8'))?.[1] ?? '0';
  return `${(Number(kilobytes) / 1_024).toFixed(1)} MB`;
}
