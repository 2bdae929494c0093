import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram, type Surroundings } from '../../../src/cli/program.ts';
import { runTenantctl } from '../../../src/cli/run.ts';

interface Outcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** As in a terminal of 80 columns; nothing is there that a command could ask. */
async function run(args: readonly string[]): Promise<Outcome> {
  const outcome: Outcome = { exitCode: 0, stdout: '', stderr: '' };
  outcome.exitCode = await runTenantctl(args, surroundingsFor(outcome));
  return outcome;
}

function surroundingsFor(outcome: Outcome): Surroundings {
  return {
    terminal: {
      width: 80,
      errorWidth: 80,
      paint: (_style, text) => text,
      writeOut: (text) => void (outcome.stdout += text),
      writeErr: (text) => void (outcome.stderr += text),
      onInterrupt: () => {},
    },
    configFile: '/nonexistent/tenantd.yaml',
    isRoot: true,
    now: Date.now,
    session: () => {
      throw new Error('no session is opened for help');
    },
  };
}

function commandsOf(command: Command, path = ''): string[] {
  return command.commands.flatMap((below) =>
    below.name() === 'help' ? [] : [`${path}${below.name()}`, ...commandsOf(below, `${path}${below.name()} `)],
  );
}

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
const commands = commandsOf(createProgram(surroundingsFor({ exitCode: 0, stdout: '', stderr: '' }), () => {}));
const leaves = commands.filter((command) => !commands.some((other) => other.startsWith(`${command} `)));

describe('help', () => {
  test('lists what there is, and fits 80 columns', async () => {
    const { exitCode, stdout, stderr } = await run(['--help']);
    expect([exitCode, stderr]).toEqual([0, '']);
    const listed = [...stdout.matchAll(/^ {2}([a-z][a-z-]*)\b/gm)].map(([, name]) => name);
    expect(listed).toEqual([...commands.filter((name) => !name.includes(' ')), 'help']);
    expect(listed).toEqual(expect.arrayContaining(['status', 'tenant', 'app', 'logs', 'token', 'usage', 'audit', 'faults']));
    expect(widest(stdout)).toBeLessThanOrEqual(80);
  });

  test.each(commands)('%s explains itself, with --json and --config', async (command) => {
    const { exitCode, stdout, stderr } = await run([...command.split(' '), '--help']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: tenantctl ${command} `);
    expect(stdout).toMatch(/--json/);
    expect(stdout).toMatch(/--config <file>/);
    expect(widest(stdout)).toBeLessThanOrEqual(80);
  });

  test.each(leaves)('%s has an example, and is what an error points to', async (command) => {
    const [help, wrong] = [await run([...command.split(' '), '--help']), await run([...command.split(' '), '--frobnicate'])];
    expect(help.stdout).toMatch(new RegExp(`^Examples?: .*\\btenantctl ${command}\\b`, 'm'));
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain(`  fix: see tenantctl ${command} --help\n`);
  });

  test('comes on stderr with exit code 2 when nothing was asked', async () => {
    const nothing = await run([]);
    expect(nothing).toMatchObject({ exitCode: 2, stdout: '' });
    expect(nothing.stderr).toContain('Usage: tenantctl [options] [command]');
    expect(await run(['app'])).toMatchObject({ exitCode: 2, stdout: '' });
  });
});
