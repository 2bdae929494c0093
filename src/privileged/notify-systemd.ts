import { spawn, type StdioOptions } from 'node:child_process';
import { sendmsg } from './take-sockets.ts';

/**
 * Sends what comes on its stdin, a message a line and a tab between assignments, to systemd's socket (sd_notify(3)): Node has no datagram
 * sockets of the Unix domain. One process for as long as the daemon lives: a machine that is short of memory may have none to spare when
 * the watchdog is to be told, and the pipe's end is its own end.
 *
 * It speaks in the daemon's name (SCM_CREDENTIALS, which root may set), so that systemd needs to listen to nobody else in the unit.
 */
const script = `
my ($sendmsg, $to, $pid, @fds) = @ARGV;
my $address = pack('S', 1) . ($to =~ /^@/ ? "\\0" . substr $to, 1 : "$to\\0");
sub control { my ($type, $data) = @_;
  my $message = pack('Qll', 16 + length $data, 1, $type) . $data;
  $message . "\\0" x (-length($message) % 8) }
my $control = control(2, pack 'lLL', $pid, $<, $( + 0) . (@fds ? control(1, pack 'l*', @fds) : '');
socket my $socket, 1, 2, 0 or die "socket: $!\\n";
while (defined(my $line = <STDIN>)) {
  chomp $line;
  my $vector = pack 'PQ', $line =~ tr/\\t/\\n/r . "\\n", 1 + length $line;
  my $header = pack 'PLx4PQPQLx4', $address, length $address, $vector, 1, $control, length $control, 0;
  syscall($sendmsg + 0, fileno $socket, $header, 0) >= 0 or warn "systemd can not be told: $!\\n";
}
`;

/** Of sd_notify(3): `READY`, `STATUS`, `FDNAME`. */
export type Assignments = Readonly<Record<string, string | number>>;

export interface SystemdSocket {
  tell(assignments: Assignments): void;
  /** With copies of descriptors of this process. */
  pass(assignments: Assignments, fds: readonly number[]): Promise<void>;
  /** Settles when all is said. */
  close(): Promise<void>;
}

export interface SystemdSocketOptions {
  perl: string;
  /** NOTIFY_SOCKET: a path, or `@` and an abstract name. */
  socket: string;
  onComplaint: (text: string) => void;
}

export function openSystemdSocket({ perl, socket, onComplaint }: SystemdSocketOptions): SystemdSocket {
  function start(fds: readonly number[]) {
    const args = [sendmsg(), socket, process.pid, ...fds.map((_, index) => firstPassedFd + index)];
    const stdio: StdioOptions = ['pipe', 'ignore', 'pipe', ...fds];
    const child = spawn(perl, ['-e', script, ...args.map(String)], { stdio, env: {}, cwd: '/' });
    child.stderr?.on('data', (chunk: Buffer) => onComplaint(chunk.toString('utf8').trim()));
    // Without it nobody hears that the daemon is well, and systemd starts both again.
    child.stdin?.on('error', () => {});
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.once('error', (error) => {
        onComplaint(error.message);
        resolve();
      });
    });
    return { input: child.stdin, ended };
  }

  const relay = start([]);
  return {
    tell: (assignments) => void relay.input?.write(lineOf(assignments)),
    pass(assignments, fds) {
      const { input, ended } = start(fds);
      input?.end(lineOf(assignments));
      return ended;
    },
    close() {
      relay.input?.end();
      return relay.ended;
    },
  };
}

const firstPassedFd = 3;

/** Values are words of ours, and of tenantd.yaml. */
function lineOf(assignments: Assignments): string {
  const words = Object.entries(assignments).map(([name, value]) => `${name}=${String(value).replaceAll(/\s/g, ' ')}`);
  return `${words.join('\t')}\n`;
}
