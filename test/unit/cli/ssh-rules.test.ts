import { describe, expect, test } from 'vitest';
import { createProgram, type Surroundings } from '../../../src/cli/program.ts';
import { runTenantctl } from '../../../src/cli/run.ts';
import { sshRules } from '../../../src/cli/ssh-rules.ts';
import { createPaint } from '../../../src/cli/terminal.ts';

const nowhere = '/nowhere/tenantd.yaml';

function surroundings(more: Partial<Surroundings>): { written: string[]; given: Surroundings } {
  const written: string[] = [];
  const write = (text: string): void => void written.push(text);
  const terminal = { width: 80, errorWidth: 200, paint: createPaint(false), writeOut: write, writeErr: write, onInterrupt: () => {} };
  const session = (): never => {
    throw new Error('it came as far as a session');
  };
  return { written, given: { terminal, configFile: nowhere, isRoot: true, now: Date.now, session, ...more } };
}

/** What `ssh-command` said, and its exit code. */
async function ask(sshCommand: string | undefined, args: string[] = ['ssh-command']): Promise<{ code: number; said: string }> {
  const { written, given } = surroundings({ sshCommand, token: `tenantd_abcdef_${'x'.repeat(43)}` });
  const code = await runTenantctl(args, given);
  return { code, said: written.join('') };
}

describe('over SSH', () => {
  test.each([
    '--config /etc/passwd status',
    'status --config=/etc/passwd',
    '--token-file /etc/shadow status',
    'status --token-file=/etc/shadow',
    'exec acme --config /etc/passwd -- id',
    'app deploy acme/site /etc',
    'app deploy acme/site ./-',
    'domain add acme --from /etc/passwd',
    'domain add acme --from=/etc/passwd',
    'domain remove acme --from /dev/stdin',
    'check /etc',
    'check',
    'schema daemon',
    'doctor',
    'reload',
    'ssh-command',
    'tenantctl ssh-command',
    'tenantctl --config /etc/passwd ssh-command',
    'verify acme --report /tmp',
    'secret rotate --machine-key',
  ])('%j is refused before anything is read', async (line) => {
    const { code, said } = await ask(line);
    expect(said).toMatch(/TENANTD_E_DENIED/);
    expect(said).not.toContain('root:');
    expect(code).toBe(1);
  });

  test.each([
    'status; id',
    'nonsense',
    'exec',
    'app deploy acme/site',
    '--nonsense',
    'status "',
    'status acme extra',
    '-- check /etc extra',
  ])('%j is wrong usage', async (line) => {
    expect(await ask(line)).toMatchObject({ code: 2, said: expect.stringContaining('TENANTD_E_USAGE') });
  });

  test.each([
    'status',
    'tenantctl status',
    'status --json',
    '--json status acme',
    'logs -f acme/site',
    'app deploy acme/site -',
    'domain list',
    undefined,
  ])('%j gets as far as the daemon', async (line) => {
    expect(await ask(line)).toMatchObject({ code: 3, said: expect.stringContaining(nowhere) });
  });

  test('a shell or a command gets as far as its terminal', async () => {
    for (const line of ['shell acme', "exec acme/site -- sh -c 'id; --config'"])
      expect((await ask(line)).said).toContain('as far as a session');
  });

  test('help can be had', async () => {
    expect(await ask('help')).toMatchObject({ code: 0, said: expect.stringContaining('Usage: tenantctl') });
    expect(await ask('app deploy --help')).toMatchObject({ code: 0, said: expect.stringContaining('Usage: tenantctl app deploy') });
  });

  test('nothing is done without a token, for root least of all', async () => {
    const { written, given } = surroundings({ sshCommand: 'status' });
    expect(await runTenantctl(['ssh-command'], given)).toBe(2);
    expect(written.join('')).toContain('--token-file');
  });
});

test('each rule is of a command that is there, and of options that it has', () => {
  const program = createProgram(surroundings({}).given, () => {});
  const paths = new Map(
    program.commands.flatMap((command) => {
      const below = command.commands.length > 0 ? command.commands : [command];
      return below.map((one) => [one === command ? one.name() : `${command.name()} ${one.name()}`, one] as const);
    }),
  );
  for (const [path, { options = [] }] of Object.entries(sshRules)) {
    expect([...paths.keys()]).toContain(path);
    expect(paths.get(path)?.options.map((option) => option.attributeName())).toEqual(expect.arrayContaining([...options]));
  }
});
