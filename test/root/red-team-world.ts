import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import type { ProbeInput } from '../../src/protocol/probes.ts';
import { repositoryPath } from '../support/test-daemon.ts';

/** Addresses that a tenant must not reach. In the tests they are on the loopback of a network that holds nothing else. */
const addresses = ['169.254.169.254', '10.0.0.5', '192.168.7.7', '100.64.0.9', '203.0.113.10', 'fd00:ec2::254', '2001:db8::5'];
const port = 8_080;
/** No user of the machine's has it. */
export const redTeamUid = 65_010;

/** Stand-ins for what is another tenant's or the machine's: a folder, a process, a network with listeners, shared memory. */
export interface World {
  folder: string;
  /** What `probes.pl` is told. */
  input: ProbeInput;
  /** Has the addresses and the listeners. */
  network: string;
  [Symbol.asyncDispose](): Promise<void>;
}

// Listens on the port of the command line, TCP and UDP, both families, and on an abstract name; says when it is ready, and sends back
// what comes by UDP.
const listener = `
use Socket;
my ($port, $name) = @ARGV;
my (@kept, @datagrams);
for my $type (1, 2) {
  socket my $four, 2, $type, 0 or die $!; bind $four, pack_sockaddr_in($port, INADDR_ANY) or die $!;
  socket my $six, 10, $type, 0 or die $!; setsockopt $six, 41, 26, 1; bind $six, pack_sockaddr_in6($port, "\\0" x 16) or die $!;
  $type == 1 and listen($_, 100) || die $! for $four, $six;
  push @kept, $four, $six;
  @datagrams = ($four, $six);
}
socket my $abstract, 1, 1, 0 or die $!; bind $abstract, pack 'Sxa*', 1, $name or die $!; listen $abstract, 100 or die $!;
$| = 1; print "ready\\n";
for (;;) {
  my $bits = ''; vec($bits, fileno $_, 1) = 1 for @datagrams;
  select $bits, undef, undef, undef;
  for (@datagrams) { next unless vec $bits, fileno $_, 1; my $from = recv $_, my $bytes, 100, 0; send $_, $bytes, 0, $from }
}
`;

export async function makeWorld(uid: number): Promise<World> {
  const folder = mkdtempSync('/var/tmp/tenantd-red-team-');
  chmodSync(folder, 0o755);
  const neighbour = `${folder}/neighbour`;
  for (const name of ['neighbour', 'etc', 'data', 'data/shared', 'data/etc', 'app', 'lib', 'node', 'usr', 'upper', 'work', 'scratch'])
    mkdirSync(`${folder}/${name}`);
  writeFileSync(`${neighbour}/secret`, 'of another tenant', { mode: 0o644 });
  writeFileSync(`${folder}/node/node`, 'not really', { mode: 0o755 });
  cpSync(repositoryPath('src/probes'), `${folder}/lib`, { recursive: true });
  copyFileSync('/etc/passwd', `${folder}/data/etc/passwd`);
  spawnSync('chown', ['-R', `${uid}:${uid}`, `${folder}/data`]);
  const socket = `${neighbour}/app.sock`;
  const server = net.createServer().listen(socket);
  await once(server, 'listening');
  chmodSync(socket, 0o777);
  const abstract = `tenantd-red-team-${process.pid}`;
  const setUp = [
    'ip link set lo up',
    ...addresses.map((address) => `ip address add ${address} dev lo ${address.includes(':') ? 'nodad' : ''}`),
  ];
  const script = `${setUp.join('; ')}; exec perl -e "$0" "$@"`;
  const holder = spawn('unshare', ['--net', '--', 'sh', '-ec', script, listener, String(port), abstract], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await Promise.race([
    once(holder.stdout, 'data'),
    once(holder, 'exit').then(() => {
      throw new Error('the listener of the world ended');
    }),
  ]);
  const pid = holder.pid ?? 0;
  const memory = makeSharedMemory();
  return {
    folder,
    network: `/proc/${pid}/ns/net`,
    input: {
      files: [`${neighbour}/secret`],
      folders: [neighbour],
      pids: [pid],
      uids: [uid + 1],
      unixSockets: [socket],
      abstractSockets: [abstract],
      loopbackPorts: [port],
      endpoints: addresses.map((host) => ({ host, port })),
      namespaces: ['mnt', 'pid', 'ipc', 'uts', 'cgroup', 'net'].map((name) => readlinkSync(`/proc/self/ns/${name}`)),
      words: [`${folder.split('/').at(-1)}/neighbour`],
      interfaces: [],
      environment: ['PATH', 'HOME', 'PWD'],
    },
    async [Symbol.asyncDispose]() {
      holder.kill('SIGKILL');
      server.close();
      removeSharedMemory(memory);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A segment of System V's shared memory, as a program of the machine could have one. */
function makeSharedMemory(): string {
  const { stdout } = spawnSync('perl', ['-e', 'my $id = shmget(0, 4096, 0600 | 01000) // die $!; print $id'], { encoding: 'utf8' });
  return stdout;
}

function removeSharedMemory(id: string): void {
  spawnSync('ipcrm', ['--shmem-id', id]);
}
