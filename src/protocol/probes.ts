/**
 * The attacks that a sandbox must withstand, and the words in which `src/probes/probes.pl` is asked for them and answers.
 *
 * It is started in a sandbox made like that of the app (a twin) as `perl /opt/tenantd/lib/probes.pl KEY=VALUE... -- ID...`,
 * and prints a line `ID<TAB>OUTCOME` for each, in any order. What it prints comes out of a sandbox: it is data.
 * It refuses to run (exit 3) where it finds no sandbox around it.
 */
export type ProbeLayer = 'user' | 'root' | 'processes' | 'syscalls' | 'network' | 'resources' | 'disk' | 'secrets';

/** What must not be reached from the sandbox: known to the daemon, of other tenants and of the machine. */
export interface ProbeInput {
  /** Files, by their path on the machine: other tenants' data, the state store, keys. */
  files: readonly string[];
  /** Folders into which no name may be seen: the tenants' folder, the state, run and log directories. */
  folders: readonly string[];
  /** As the machine counts them: the daemon, other tenants' hosts and workers. */
  pids: readonly number[];
  /** Other tenants' uids. */
  uids: readonly number[];
  /** Paths on the machine: the operator's control socket, other tenants' workers. */
  unixSockets: readonly string[];
  /** Without the leading NUL. */
  abstractSockets: readonly string[];
  /** Something listens there on the machine's loopback. */
  loopbackPorts: readonly number[];
  /** Other tenants, the machine's own addresses, gateway, metadata, private and public ones: none of them in the tenant's list. */
  endpoints: readonly { host: string; port: number }[];
  /** As readlink(2) of /proc/self/ns/* gives them in the daemon and in other tenants: `net:[4026531840]`. */
  namespaces: readonly string[];
  /** Words that nothing it can read of its own sandbox may contain: names of other tenants. No secrets: it is said on a command line. */
  words: readonly string[];
  /** Network interfaces that it may have besides `lo`. */
  interfaces: readonly string[];
  /** Names that its environment may have. */
  environment: readonly string[];
}

export interface Probe {
  id: string;
  /** The layer that stops it first. */
  layer: ProbeLayer;
  /** All layers that stop it, each alone: only without every one of them it succeeds. */
  stoppedBy: readonly ProbeLayer[];
  /** What is tried. */
  attack: string;
  /** Errno names or words; several, joined by commas, where it tries several things: then each must be one of these. */
  expected: readonly string[];
  /** `live`: does no harm to a tenant that serves; `test`: takes all it can get of memory, disk or processes. */
  safe: 'live' | 'test';
  /** Without something in that list there is nothing to try. */
  needs?: keyof ProbeInput;
}

export interface ProbeResult {
  id: string;
  layer: ProbeLayer;
  attack: string;
  expected: string;
  outcome: string;
  ok: boolean;
}

/** In the sandbox: where the program is, the environment variable that says it was meant, and the Perl that every Debian has. */
export const probeProgram = { perl: '/usr/bin/perl', script: '/opt/tenantd/lib/probes.pl', marker: 'TENANTD_PROBES' } as const;
/** Its exit code where it found no sandbox around it, and so did nothing. */
export const probesRefused = 3;
