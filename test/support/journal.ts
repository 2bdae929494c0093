import { type ChildProcess, spawn } from 'node:child_process';
import { until } from './until.ts';

const newline = 0x0a;

/** As journald reads one: https://systemd.io/JOURNAL_NATIVE_PROTOCOL. */
export function readJournalEntry(bytes: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(newline, at);
    if (end === -1) throw new Error('an entry that is cut');
    const line = bytes.toString('utf8', at, end);
    const equals = line.indexOf('=');
    const length = equals === -1 ? Number(bytes.readBigUInt64LE(end + 1)) : 0;
    const name = equals === -1 ? line : line.slice(0, equals);
    if (!/^[A-Z][A-Z0-9_]*$/.test(name) || name in fields) throw new Error(`a field ${JSON.stringify(name)}`);
    fields[name] = equals === -1 ? bytes.toString('utf8', end + 9, end + 9 + length) : line.slice(equals + 1);
    at = equals === -1 ? end + 9 + length + 1 : end + 1;
  }
  return fields;
}

/** A datagram socket, which Node can not make; each datagram as a line of hexadecimal digits. */
const script = `
use Socket;
$| = 1;
socket my $socket, AF_UNIX, SOCK_DGRAM, 0 or die;
bind $socket, pack_sockaddr_un($ARGV[0]) or die;
chmod 0666, $ARGV[0];
print "\\n";
while (1) { defined recv $socket, my $bytes, 1 << 20, 0 or die; print unpack('H*', $bytes), "\\n" }
`;

export interface FakeJournal {
  entries(): Record<string, string>[];
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startFakeJournal(path: string): Promise<FakeJournal> {
  const child: ChildProcess = spawn('perl', ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString('latin1')));
  await until(() => printed !== '', 'the journal listens');
  return {
    entries: () =>
      printed
        .slice(1, printed.lastIndexOf('\n') + 1)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => readJournalEntry(Buffer.from(line, 'hex'))),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await until(() => child.signalCode !== null, 'the journal has ended');
    },
  };
}
