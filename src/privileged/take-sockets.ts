import { spawn } from 'node:child_process';
import { TenantdError } from '../base/errors.ts';
import type { ProcessIdentity } from './processes.ts';
import type { InheritableSocket } from './sockets.ts';

/** <asm/unistd_64.h> and <asm-generic/unistd.h>. */
const sendmsgNumbers: Partial<Record<string, number>> = { x64: 46, arm64: 211 };
/** The system call's number on this machine. */
export const sendmsg = (): number => sendmsgNumbers[process.arch] ?? -1;
/** New calls have the same number everywhere. */
const newCalls = { pidfdOpen: 434, pidfdGetfd: 438 };

/**
 * Copies descriptors of another process, and passes them to Node, which can make no such calls: in the way that Node's own processes pass
 * sockets to each other (SCM_RIGHTS beside a line of JSON; `net.Native` leaves the socket as it is).
 *
 * The process is held before it is looked at, so it is the one that was meant. Nothing but listening TCP sockets is passed on.
 */
const script = `
my ($open, $getfd, $sendmsg, $pid, $ticks, @numbers) = @ARGV;
sub fail { die "$_[0]: $!\\n" }
my $process = syscall($open + 0, $pid + 0, 0);
$process >= 0 or fail('pidfd_open');
open my $stat, '<', "/proc/$pid/stat" or fail('stat');
(split ' ', <$stat> =~ s/.*\\) //sr)[19] == $ticks or die "the process has ended\\n";
for my $number (@numbers) {
  my $fd = syscall($getfd + 0, $process, $number + 0, 0);
  $fd >= 0 && open my $socket, '<&=', $fd or fail('pidfd_getfd');
  my $name = getsockname $socket or fail('getsockname');
  my ($family, $port) = unpack 'Sn', $name;
  my ($type, $listens) = map { unpack 'i', getsockopt $socket, 1, $_ } 3, 30;
  ($family == 2 || $family == 10) && $type == 1 && $listens or die "descriptor $number is no listening TCP socket\\n";
  my $line = qq({"cmd":"NODE_HANDLE","type":"net.Native","msg":{"port":$port}}\\n);
  my $vector = pack 'PQ', $line, length $line;
  my $rights = pack 'Qlllx4', 20, 1, 1, $fd;
  syscall($sendmsg + 0, $ENV{NODE_CHANNEL_FD} + 0, my $header = pack('QLx4PQPQLx4', 0, 0, $vector, 1, $rights, 24, 0), 0) > 0 or fail('sendmsg');
}
`;

export interface HeldListener {
  /** Its number in the other process. */
  fd: number;
  port: number;
}

/** A handle of Node's own: by itself it neither reads nor accepts. */
interface NativeHandle {
  readonly fd: number;
  close(): void;
}

/**
 * Listening TCP sockets of a process that inherited them from a daemon before this one, as this one's too. In the order of `wanted`.
 * Rejects with TENANTD_E_EDGE_SOCKETS when the machine does not allow it; then nothing is held.
 */
export async function takeListeningSockets(
  perl: string,
  { pid, startTicks }: ProcessIdentity,
  wanted: readonly HeldListener[],
): Promise<InheritableSocket[]> {
  const numbers = [newCalls.pidfdOpen, newCalls.pidfdGetfd, sendmsg(), pid, startTicks, ...wanted.map(({ fd }) => fd)];
  const child = spawn(perl, ['-e', script, ...numbers.map(String)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: {} });
  const taken: { port: number; socket: InheritableSocket }[] = [];
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString('utf8')).slice(0, 1_000)));
  child.on('message', (said, sent) => taken.push({ ...(said as { port: number }), socket: socketOf(sent as unknown as NativeHandle) }));
  // It leaves nothing behind: with it, all that it said has come.
  child.once('error', (error) => (complaint = error.message));
  await Promise.all(['close', 'disconnect'].map((event) => new Promise((resolve) => child.once(event, resolve))));
  const isWhole = taken.length === wanted.length && taken.every(({ port }, index) => port === wanted[index]?.port);
  if (isWhole) return taken.map(({ socket }) => socket);
  for (const { socket } of taken) socket.close();
  throw new TenantdError(
    'TENANTD_E_EDGE_SOCKETS',
    `the listening sockets can't be had from the edge that runs: ${complaint.trim() || 'they are others than expected'}`,
    'let root use pidfd_getfd(2): Linux 5.6, CAP_SYS_PTRACE, kernel.yama.ptrace_scope below 3; or stop tenantd with SIGTERM, which ends the edge too, and start it',
  );
}

/** The handle is kept, and with it the descriptor. */
function socketOf(native: NativeHandle): InheritableSocket {
  return { fd: native.fd, close: () => native.close() };
}
