import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A process in namespaces of its own, which waits while others take hold of them through /proc/PID. */
export interface NamespaceHolder {
  pid: number;
  release(): void;
}

/** One that has not made them yet: it has been started, which takes longer than what it is to do. */
export interface WaitingHolder {
  isWaiting(): boolean;
  /** Rejects with what it complains of. Once. */
  make(values: readonly (string | number)[]): Promise<NamespaceHolder>;
  discard(): void;
}

/** What each program begins with: `@values` are what it is told. It ends with the daemon. */
const prologue = `
sub fail { die "$_[0]: $!\\n" }
sub call { my ($what, $number, @values) = @_; syscall($number + 0, @values) == 0 or fail($what) }
my @values = do { local $/ = "\\0\\n"; split /\\0/, <STDIN> // exit };
`;

const epilogue = `
syswrite STDOUT, "made\\n";
sysread STDIN, my $released, 1;
`;

/** Starts lines of Perl that make namespaces. In Perl for the reason that launches are. */
export function startHolder(perl: string, lines: string): WaitingHolder {
  const holder = spawn(perl, ['-e', prologue + lines + epilogue], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: '/',
  });
  let complaint = '';
  holder.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString('utf8')).slice(-1_000)));
  // It may have ended before.
  holder.stdin.on('error', () => {});
  holder.on('error', (error) => (complaint = error.message));
  const ended = new Promise<false>((resolve) => void holder.once('close', () => resolve(false)));
  return {
    isWaiting: () => holder.pid !== undefined && holder.exitCode === null && holder.signalCode === null,
    async make(values) {
      holder.stdin.write(values.map((value) => `${value}\0`).join('') + '\n');
      const isMade = await Promise.race([once(holder.stdout, 'data').then(() => true), ended]);
      if (!isMade || holder.pid === undefined) throw new Error(complaint.trim().replaceAll('\n', ' '));
      return { pid: holder.pid, release: () => void holder.stdin.end('\n') };
    },
    discard: () => void holder.stdin.end(),
  };
}
