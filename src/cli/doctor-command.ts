import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { DoctorResult, MachineCheck } from '../protocol/verify.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { formatCount } from './quantities.ts';
import { layoutOf, type TextLayout, writeJson } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

const run = promisify(execFile);
const timeLimitMs = 120_000;

export function registerDoctor(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  const { terminal } = surroundings;
  program
    .command('doctor')
    .description('show what this machine offers, and what is worse without it')
    .addHelpText(
      'after',
      '\nNeeds no daemon. As root it tries what it can: it makes a sandbox, a network,\na control group and a disk image, and removes them. Exit code 1 when something\nis missing that tenants need.\n\nExample: sudo tenantctl doctor',
    )
    .action(async (_options: object, command: Command) => {
      const { config, json } = command.optsWithGlobals<GlobalOptions>();
      const result = await withProgress(
        terminal,
        () => 'trying what this machine can do',
        () => examine(surroundings, config),
      );
      if (json) writeJson(terminal, result);
      else terminal.writeOut(renderDoctor(result, layoutOf(surroundings)));
      if (!result.ok) setExitCode(1);
    });
}

/** A program of its own: what it tries is what the daemon does with root's rights, and is no part of this one. */
async function examine({ doctorProgram }: Surroundings, configFile: string): Promise<DoctorResult> {
  try {
    const { stdout } = await run(process.execPath, [doctorProgram ?? '', configFile], { timeout: timeLimitMs, maxBuffer: 1 << 20 });
    return JSON.parse(stdout) as DoctorResult;
  } catch (error) {
    throw new TenantdError('TENANTD_E_INTERNAL', `this machine could not be looked at: ${messageOf(error)}`, 'report this');
  }
}

const indent = '  ';
const words = { ok: 'ok', degraded: 'DEGRADED', missing: 'MISSING' } as const;
const styles = { ok: 'green', degraded: 'yellow', missing: 'red' } as const;

export function renderDoctor({ checks, ok }: DoctorResult, { width, paint }: TextLayout): string {
  const counts = (verdict: MachineCheck['verdict']): number => checks.filter((check) => check.verdict === verdict).length;
  const idWidth = Math.max(...checks.map(({ id }) => id.length));
  const verdictWidth = words.degraded.length;
  const column = idWidth + verdictWidth + 2 * indent.length;
  const lines = checks.flatMap((check) => {
    const [first = '', ...more] = wrapText(printable(check.found), width, ' '.repeat(column));
    const verdict = paint(styles[check.verdict], words[check.verdict].padEnd(verdictWidth));
    return [`${check.id.padEnd(idWidth)}${indent}${verdict}${indent}${first.trimStart()}`, ...more, ...renderAdvice(check, width, column)];
  });
  const summary = ok
    ? paint('green', `tenantd can run here${counts('degraded') > 0 ? `; ${formatCount(counts('degraded'), 'thing')} could be better` : ''}`)
    : paint('red', `tenantd can not run tenants here: ${formatCount(counts('missing'), 'thing')} missing`);
  return `${[...lines, '', summary].join('\n')}\n`;
}

function renderAdvice({ verdict, effect, fix }: MachineCheck, width: number, column: number): string[] {
  if (verdict === 'ok') return [];
  const advice = [effect, `fix: ${fix}`].filter((text) => text !== '');
  return advice.flatMap((text) => wrapText(printable(text), width, ' '.repeat(column)));
}
