import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { arch } from 'node:process';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { probeArguments } from '../../src/daemon/probe-run.ts';
import { type LaunchStep, launchCommand } from '../../src/privileged/launch-steps.ts';
import type { Network } from '../../src/privileged/networks.ts';
import { copyBubblewrap, findPrograms } from '../../src/privileged/programs.ts';
import { bubblewrapArguments, dropPrivilegesArguments, type SandboxSpec } from '../../src/privileged/sandbox-arguments.ts';
import { ensureEtcDirectory } from '../../src/privileged/sandbox-etc.ts';
import { systemCallFilter } from '../../src/privileged/seccomp-filter.ts';
import { type Probe, type ProbeLayer, probeProgram } from '../../src/protocol/probes.ts';
import { redTeamUid, type World } from './red-team-world.ts';

/** One option of bubblewrap with its values. */
type Option = readonly string[];

const uid = redTeamUid;
const marker = 'red-team';
const programs = findPrograms();
/** Harmless to open for reading, and looked for by a probe. */
const devices = ['kmsg', 'mem', 'port', 'kvm', 'vsock', 'fuse', 'loop-control', 'net/tun', 'tty0', 'vda', 'sda', 'loop0']
  .map((name) => `/dev/${name}`)
  .filter((path) => existsSync(path));

/**
 * A sandbox as the daemon makes it, with only these layers left out; answers how each probe ended in it. Nobody's network is
 * ever the machine's: without that layer it is the world's, whose addresses lead nowhere.
 */
export async function attack(
  world: World,
  own: Network,
  without: readonly ProbeLayer[],
  chosen: readonly Probe[],
  { control = without.length > 0 }: { control?: boolean } = {},
): Promise<Map<string, string>> {
  const lacks = (layer: ProbeLayer): boolean => without.includes(layer);
  const limits = ['megabytes=48', 'files=8000', 'descriptors=10000', 'seconds=30'];
  const words = [`marker=${marker}`, ...(control ? ['control=yes'] : []), ...limits, ...probeArguments(world.input)];
  const spec = specFor(world, ['--', ...chosen.map(({ id }) => id)], words);
  const etc = ensureEtcDirectory(`${world.folder}/etc`, { name: 'app', uid, gid: uid, home: '/data' });
  const options = optionsOf(bubblewrapArguments(spec, { etc, scratch: `${world.folder}/scratch` }));
  const kept = changes.reduce((list, { layer, change }) => (lacks(layer) ? change(list, world) : list), options);
  const filter = openFilter(world);
  const opened = openSync('/dev/zero', 'r');
  const bubblewrap = [
    copyBubblewrap(programs, world.folder),
    ...(lacks('syscalls') ? [] : ['--seccomp', '3']),
    // Where its own root is left out: on its command line, for everyone inside to read.
    ...(lacks('root') ? kept.flat() : ['--args', '4']),
    '--',
    ...(lacks('user') ? ['/usr/bin/setpriv', '--groups', '7', '--', ...spec.command] : dropPrivilegesArguments(spec)),
  ];
  const [program = '', ...args] = [
    ...closeForeign(lacks('secrets') ? 5 : 4),
    ...(lacks('root') ? writableUsr(world) : []),
    ...launchCommand(programs.perl, stepsFor(world, own, without), [...(lacks('processes') ? ownTerminal : []), ...bubblewrap]),
  ];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe', filter, 'pipe', ...(lacks('secrets') ? [opened] : [])],
    env: lacks('secrets') ? { ...ownPath, SECRET: 'of the daemon' } : ownPath,
    detached: true,
  });
  closeSync(filter);
  closeSync(opened);
  const given = child.stdio[4];
  // It may have ended without reading; then it says why.
  given?.on('error', () => {});
  if (given && 'end' in given) given.end(`${kept.flat().join('\0')}\0`);
  const [output, complaint] = await Promise.all([read(child.stdout), read(child.stderr)]);
  const outcomes = outcomesIn(output);
  if (outcomes.size !== chosen.length)
    throw new Error(`without ${without.join(', ')}: ${outcomes.size} of ${chosen.length} answered: ${complaint}${output}`);
  return outcomes;
}

/** As the same user, but started by no bubblewrap: it may gain rights, and setuid programs count. In a network with nothing in it. */
export async function attackUnboxed({ folder }: World, chosen: readonly Probe[]): Promise<Map<string, string>> {
  const drop = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--'];
  const command = [probeProgram.perl, `${folder}/lib/probes.pl`, `marker=${marker}`, 'control=yes', '--', ...chosen.map(({ id }) => id)];
  const child = spawn('unshare', ['--net', '--pid', '--fork', '--mount-proc', '--', ...drop, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...ownPath, [probeProgram.marker]: marker },
    detached: true,
  });
  return outcomesIn(await read(child.stdout));
}

async function read(stream: Readable | null): Promise<string> {
  return stream ? text(stream) : '';
}

function outcomesIn(output: string): Map<string, string> {
  const pairs = output.split('\n').map((line) => line.split('\t'));
  return new Map(pairs.flatMap(([id = '', outcome]): [string, string][] => (outcome === undefined ? [] : [[id, outcome]])));
}

const ownPath = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

function specFor(world: World, ids: string[], words: string[]): SandboxSpec {
  const { folder } = world;
  return {
    ...{ id: 'red-team', uid, gid: uid, hostname: 'red-team', tmpBytes: 8 << 20, tmpInodes: 2_000, workingDirectory: '/data' },
    env: { ...ownPath, HOME: '/data', [probeProgram.marker]: marker },
    binds: [
      { source: `${folder}/node/node`, target: '/opt/tenantd/bin/node', access: 'read' },
      { source: `${folder}/lib`, target: '/opt/tenantd/lib', access: 'read' },
      { source: `${folder}/app`, target: '/apps/site', access: 'read' },
      { source: `${folder}/data`, target: '/data', access: 'write' },
      { source: `${folder}/data/shared`, target: '/data/shared', access: 'write' },
    ],
    command: [probeProgram.perl, probeProgram.script, ...words, ...ids],
  };
}

function stepsFor(world: World, own: Network, without: readonly ProbeLayer[]): LaunchStep[] {
  const limits: LaunchStep[] = without.includes('resources')
    ? [
        { do: 'limit', resource: 'open-files', soft: 16_000, hard: 16_000 },
        { do: 'limit', resource: 'core', soft: 1 << 20, hard: 1 << 20 },
      ]
    : [
        { do: 'limit', resource: 'core', soft: 0, hard: 0 },
        { do: 'limit', resource: 'message-queues', soft: 0, hard: 0 },
        { do: 'limit', resource: 'locked-memory', soft: 65_536, hard: 65_536 },
        { do: 'limit', resource: 'open-files', soft: 8_192, hard: 16_000 },
      ];
  const isBounded = !without.includes('disk');
  return [
    { do: 'write', file: '/proc/self/oom_score_adj', text: '500' },
    ...limits,
    { do: 'enter', namespace: without.includes('network') ? world.network : own.path },
    { do: 'new-mounts' },
    {
      ...{ do: 'scratch', directory: `${world.folder}/scratch`, uid, gid: uid },
      ...(isBounded ? { bytes: 8 << 20, inodes: 2_000 } : { bytes: 256 << 20, inodes: 0 }),
    },
  ];
}

interface Change {
  layer: ProbeLayer;
  change: (options: Option[], world: World) => Option[];
}

/** What bubblewrap is not told when a layer is left out. */
const changes: readonly Change[] = [
  {
    layer: 'processes',
    change: (options) => options.filter(([name = '']) => !name.startsWith('--unshare-') && !['--new-session', '--hostname'].includes(name)),
  },
  { layer: 'user', change: (options) => [...options.filter(([name = '']) => !name.startsWith('--cap-')), ['--cap-add', 'ALL']] },
  { layer: 'secrets', change: (options) => options.filter(([name]) => name !== '--clearenv') },
  { layer: 'root', change: withoutRoot },
];

function withoutRoot(options: Option[], { folder }: World): Option[] {
  const neighbour = `${folder}/neighbour`;
  const changed = options.flatMap((option): Option[] => {
    const [name = '', source = '', target = ''] = option;
    if (name === '--setenv') return [option];
    if (name === '--remount-ro' || name === '--ro-bind-try' || target === '/data/shared' || isMask(option)) return [];
    if (target === '/usr') return [['--bind', `${folder}/usr`, target]];
    // Then a file of /etc is on the same mount as its own data.
    if (target === '/etc') return [['--symlink', 'data/etc', target]];
    if (target === '/data') return [['--dev-bind', source, target]];
    return [name === '--ro-bind' ? ['--bind', source, target] : option];
  });
  const more: Option[] = [
    ...devices.map((path) => ['--dev-bind', path, path]),
    ...['/dev/disk-of-the-machine', '/home', '/root'].map((path) => ['--dir', path]),
    ['--bind', '/proc/sys', '/proc/sys'],
    ['--ro-bind', '/sys', '/sys'],
    ...[folder, '/run'].flatMap((path) => [
      ['--perms', '0755'],
      ['--dir', path],
    ]),
    ['--bind', neighbour, neighbour],
    ['--bind', `${neighbour}/app.sock`, '/run/docker.sock'],
  ];
  return [...changed, ...more];
}

/** Of what /proc has of the machine. */
function isMask([name, source]: Option): boolean {
  return source === '/dev/null' || (name === '--tmpfs' && source?.startsWith('/proc/') === true);
}

/** Its own copy of /usr to write in, which is gone with the namespace. */
function writableUsr({ folder }: World): string[] {
  const script = 'mount -t overlay overlay -o "lowerdir=/usr,upperdir=$1/upper,workdir=$1/work" "$1/usr"; shift; exec "$@"';
  return ['unshare', '--mount', '--propagation', 'private', '--', 'sh', '-ec', script, 'sh', folder];
}

/** Node itself may have been started with descriptors that a sandbox would inherit; the daemon closes those. */
const closeForeign = (own: number): string[] => [
  ...['/usr/bin/perl', '-e'],
  `my $own = shift; opendir D, "/proc/self/fd"; my @open = grep { /^[0-9]+$/ && $_ > $own && $_ != fileno D } readdir D; closedir D;
   for (@open) { open my $file, "<&=", $_; close $file } exec @ARGV`,
  String(own),
];

/** As if the daemon had been started from a terminal, and handed it on. */
const ownTerminal = [
  ...['/usr/bin/perl', '-e'],
  `sysopen T, "/dev/ptmx", 2 | 256 or die $!; my $no = pack "i", 0; ioctl T, 0x40045431, $no; my $number = pack "i", 0;
   ioctl T, 0x80045430, $number or die $!; sysopen S, "/dev/pts/" . unpack("i", $number), 2 | 256 or die $!;
   ioctl S, 0x540E, 0 or die $!; close S; fcntl T, 2, 0; exec @ARGV`,
];

function openFilter({ folder }: World): number {
  writeFileSync(`${folder}/filter`, systemCallFilter(arch));
  return openSync(`${folder}/filter`, 'r');
}

/** Values of options never begin with two dashes. */
function optionsOf(words: readonly string[]): Option[] {
  const options: string[][] = [];
  for (const word of words) {
    if (word.startsWith('--')) options.push([word]);
    else options.at(-1)?.push(word);
  }
  return options;
}
