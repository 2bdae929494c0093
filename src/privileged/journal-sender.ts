import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Where the system's journal listens (systemd-journald.service(8)). */
export const journalSocket = '/run/systemd/journal/socket';

/**
 * Sends datagrams, which Node can not. Each entry comes as its length (32 bits, big-endian) and its bytes, which nothing here looks at. It gives
 * up root first: the journal takes entries from everybody.
 */
const script = `
use Socket;
my ($path, $id) = @ARGV;
socket my $journal, AF_UNIX, SOCK_DGRAM, 0 or die "socket: $!\\n";
$) = "$id $id"; $( = $id; $> = $< = $id; $< = $id;
$< == $id && $> == $id or die "it is root still\\n";
binmode STDIN;
sub take { my ($wanted, $bytes) = ($_[0], ''); while (length $bytes < $wanted) { sysread(STDIN, $bytes, $wanted - length $bytes, length $bytes) or exit 0 } $bytes }
while (1) {
  my $entry = take(unpack 'N', take(4));
  # One that is being started anew is there again soon; what it does not take in time is lost.
  for (1 .. 20) { defined send $journal, $entry, 0, pack_sockaddr_un($path) and last; select undef, undef, undef, 0.1 }
}
`;

export interface JournalSender {
  /** False, and not sent, where the journal does not keep up. */
  send(entry: Buffer): boolean;
  close(): void;
}

/** Entries that wait to be taken. */
const maxWaitingBytes = 1 << 20;
const nobody = 65_534;

/** `onEnd`: it ended by itself, and takes no more. */
export function startJournalSender(perl: string, onEnd: (why: string) => void, socket = journalSocket): JournalSender {
  const child = spawn(perl, ['-e', script, socket, String(nobody)], { stdio: ['pipe', 'ignore', 'pipe'], env: {}, cwd: '/' });
  const { stdin } = child;
  let isOpen = true;
  let complaint = '';

  function end(why: string): void {
    if (isOpen) onEnd(why);
    isOpen = false;
  }

  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString('utf8')).slice(0, 1_000)));
  child.once('error', (error) => end(error.message));
  child.once('close', (code) => end(complaint.trim() || `it ended with code ${code}`));
  stdin.on('error', () => {}); // Its end says why.

  return {
    send(entry) {
      if (!isOpen || stdin.writableLength + entry.length > maxWaitingBytes) return false;
      const length = Buffer.alloc(4);
      length.writeUInt32BE(entry.length);
      stdin.write(Buffer.concat([length, entry]));
      return true;
    },
    close() {
      isOpen = false;
      stdin.end();
      child.kill(constants.signals.SIGTERM);
    },
  };
}
