import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A new network forwards packets where the machine does: whatever that is, it begins without. */
const setUp = 'sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0; ip link set lo up; echo ready; exec sleep 3600';

/** A network of a test's own, held by a process: never a name or a mount that somebody else could meet. */
export interface TestNetwork {
  /** A command line in there is put behind this. */
  readonly enter: readonly string[];
  readonly pid: number;
  /** Runs commands, each a line without quotes, one after the other; answers with what the last one printed. */
  run(...lines: string[]): string;
  /** A program that runs until the network is closed; resolves when it has printed something. */
  start(...command: string[]): Promise<ChildProcess>;
  close(): void;
}

export async function makeNetwork(): Promise<TestNetwork> {
  const holder = spawn('unshare', ['--net', '--', 'sh', '-c', setUp], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  const pid = holder.pid ?? 0;
  const enter = ['nsenter', `--net=/proc/${pid}/ns/net`, '--'];
  const started: ChildProcess[] = [holder];

  return {
    enter,
    pid,
    run(...lines) {
      const outputs = lines.map((line) => execFileSync('nsenter', [...enter.slice(1), ...line.split(' ')], { encoding: 'utf8' }));
      return outputs.at(-1) ?? '';
    },
    async start(...command) {
      const child = spawn('nsenter', [...enter.slice(1), ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
      started.push(child);
      await once(child.stdout, 'data');
      return child;
    },
    close() {
      for (const child of started) child.kill('SIGKILL');
    },
  };
}

/** A wire between two networks. */
export function connectNetworks(a: { network: TestNetwork; device: string }, b: { network: TestNetwork; device: string }): void {
  a.network.run(`ip link add ${a.device} type veth peer name ${b.device} netns ${b.network.pid}`, `ip link set ${a.device} up`);
  b.network.run(`ip link set ${b.device} up`);
}
