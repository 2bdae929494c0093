import { describe, expect, test } from 'vitest';
import { clientFrames, encodeSize } from '../../../src/protocol/terminal.ts';
import { startTerminal, type TerminalUnderTest } from './terminal-program.ts';

const tty = { columns: 100, rows: 30, term: 'xterm' };

async function startShell(term = 'xterm'): Promise<TerminalUnderTest> {
  const running = startTerminal({ tty: { ...tty, term } });
  // The prompt of whichever machine this is.
  await running.untilPrinted(/[$#] $/);
  return running;
}

describe('a shell in a terminal', () => {
  test('is a login shell with a prompt, a terminal of its own, and its size', async () => {
    const { type, exited, told } = await startShell();
    type('tty; stty size; shopt login_shell; ps -o tty= -p $$; exit 3\r');
    expect(await exited).toBe(3);
    expect(told.stdout).toMatch(/\/dev\/pts\/(\d+)\r\n30 100\r\nlogin_shell\s+on\r\npts\/\1/);
    expect(told.exit).toEqual([3, 0]);
  });

  test('follows the window', async () => {
    const { type, send, untilPrinted, exited } = await startShell();
    type("trap 'stty size' WINCH; echo set\r");
    await untilPrinted(/[\r\n]set\r\n/);
    send(clientFrames.resize, encodeSize({ columns: 133, rows: 44 }));
    // bash runs traps when it has something to do.
    type('\r');
    await untilPrinted(/44 133/);
    type('exit\r');
    expect(await exited).toBe(0);
  });

  test('has job control: Ctrl-C ends what runs and not the shell, Ctrl-Z stops it, fg goes on', async () => {
    const { type, untilPrinted, exited } = await startShell();
    // One process group from before the text: bash itself, between two commands, would lose the signal.
    type(`sh -c 'echo beg""un; sleep 100'\r`);
    await untilPrinted(/[\r\n]begun\r\n/);
    type('\x03');
    await untilPrinted(/begun\r\n[^]*[$#] $/);
    type('echo code $?\r');
    await untilPrinted(/code 130/);
    type(`sh -c 'echo ag""ain; sleep 100'\r`);
    await untilPrinted(/[\r\n]again\r\n/);
    type('\x1a');
    await untilPrinted(/Stopped/);
    type('fg\r');
    await untilPrinted(/fg\r\n.*[\r\n]sh -c .*sleep 100'\r\n/s);
    type('\x03');
    await untilPrinted(/fg\r\n[^]*sleep 100'\r\n[^]*[$#] $/);
    type('exit 0\r');
    expect(await exited).toBe(0);
  });

  test('ends at Ctrl-D, and when the client says that there is no more input', async () => {
    const one = await startShell();
    one.type('\x04');
    expect(await one.exited).toBe(0);
    const other = await startShell();
    other.send(clientFrames.stdinEnd);
    expect(await other.exited).toBe(0);
  });

  test.each([
    ['xterm', 'xterm'],
    ['a-terminal-of-next-year', 'xterm-256color'],
  ])('that is shown by %s is told it is %s, which every program knows', async (term, told) => {
    const { type, untilPrinted, exited } = await startShell(term);
    type('echo "[$TERM]"; tput colors\r');
    await untilPrinted(new RegExp(`\\[${told}\\]\r\n\\d+\r\n`));
    type('exit\r');
    expect(await exited).toBe(0);
  });

  test('is hung up on when the client leaves', async () => {
    const { connection, exited } = await startShell();
    connection.destroy();
    expect(await exited).toBe(129);
  });
});

describe('a command in a terminal', () => {
  test('gets characters that come in two pieces whole', async () => {
    const { send, exited, told } = startTerminal({ tty, command: ['sh', '-c', 'read word; echo "[$word]"'] });
    const line = Buffer.from('€\r');
    send(clientFrames.stdin, line.subarray(0, 1));
    send(clientFrames.stdin, line.subarray(1));
    expect(await exited).toBe(0);
    expect(Buffer.from(told.stdout, 'latin1').toString()).toContain('[€]');
  });

  test('that says much and ends at once has all of it told, also to a client that reads slowly', async () => {
    const running = startTerminal({ tty, command: ['seq', '1', '200000'] });
    running.connection.on('data', () => {
      running.connection.pause();
      setImmediate(() => running.connection.resume());
    });
    expect(await running.exited).toBe(0);
    expect(running.told.stdout.endsWith('\n199999\r\n200000\r\n')).toBe(true);
    expect(running.told.stdout.length).toBe(1_488_895);
  });

  test('that does not exist ends with 127', async () => {
    const { exited, told } = startTerminal({ tty, command: ['no-such-program'] });
    expect(await exited).toBe(127);
    expect(told.stdout).toContain('no-such-program');
  });

  test('that a signal ended is told with the signal', async () => {
    const { exited, told } = startTerminal({ tty, command: ['sh', '-c', 'kill -KILL $$'] });
    expect(await exited).toBe(137);
    expect(told.exit).toEqual([0, 9]);
  });
});
