import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { messageOf, TenantdError } from '../base/errors.ts';
import type { Channel } from '../protocol/channel.ts';
import { type AuditFilter, readNewestRecords, readTrail } from './audit-pages.ts';
import { renderAudit } from './audit-text.ts';
import { type AuditVerdict, verifyFile, verifyTrail } from './audit-verify.ts';
import { connectDaemon } from './control-client.ts';
import { parseMoment } from './parse-moment.ts';
import { printable } from './printable.ts';
import type { GlobalOptions, SetExitCode, Surroundings } from './program.ts';
import { withProgress } from './progress.ts';
import { formatCount } from './quantities.ts';
import { parseTenantName } from './references.ts';
import { layoutOf, type Terminal, writeJson } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

interface AuditOptions extends GlobalOptions, AuditFilter {
  lines: number;
  /** A file, or true for the trail itself. */
  verify?: string | true;
  export?: string;
}

const help = `
Each record has the hash of the one before it. --verify finds what was edited,
moved, put in or cut out, and an end that is not the one that was written last;
exit code 1, with the first bad record. With a FILE it reads what --export
wrote, and needs no daemon. Whoever is root can write a whole new trail: send
exports to another machine, and compare the head that --verify prints.

Examples: tenantctl audit --tenant acme --since yesterday
          tenantctl audit --export trail.jsonl
          tenantctl audit --verify trail.jsonl`;

export function registerAudit(program: Command, surroundings: Surroundings, setExitCode: SetExitCode): void {
  const parseTime = (text: string): string => parseMoment(text, surroundings.now());
  program
    .command('audit')
    .description('show who changed what, and prove that nobody changed the record of it')
    .option('--tenant <name>', 'of one tenant', parseTenantName)
    .option('--actor <who>', "by one of: operator, tenantd, files, 'token 7k2mq3'")
    .option('--action <what>', 'of one kind: app-deploy, secret-set...')
    .option('--since <time>', '10m, 2h, 3d ago; today, yesterday; 2026-11-21T10:00', parseTime)
    .option('--until <time>', 'as --since', parseTime)
    .option('-n, --lines <count>', 'the last so many', parseCount, 50)
    .option('--verify [file]', 'check the whole trail, or an exported one')
    .option('--export <file>', 'write all that fit as JSON, one a line; - for stdout')
    .addHelpText('after', help)
    .action(async (_options: object, command: Command) => {
      const options = command.optsWithGlobals<AuditOptions>();
      if (options.verify !== undefined) return verify(surroundings, options, setExitCode);
      const channel = await connectDaemon(surroundings, options.config, {});
      try {
        await (options.export === undefined ? list : exportAll)(surroundings, channel, options);
      } finally {
        channel.close();
      }
    });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count <= 10_000) return count;
  throw new InvalidArgumentError('It is not a whole number from 0 to 10000: --export has no limit.');
}

function filterOf({ tenant, actor, action, since, until }: AuditFilter): AuditFilter {
  return {
    ...(tenant !== undefined && { tenant }),
    ...(actor !== undefined && { actor }),
    ...(action !== undefined && { action }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
}

async function list(surroundings: Surroundings, channel: Channel, options: AuditOptions): Promise<void> {
  const records = await readNewestRecords(channel, filterOf(options), options.lines);
  if (options.json) writeJson(surroundings.terminal, { records });
  else surroundings.terminal.writeOut(renderAudit(records, layoutOf(surroundings)));
}

async function exportAll({ terminal }: Surroundings, channel: Channel, options: AuditOptions): Promise<void> {
  const { export: file = '-', json } = options;
  let records = 0;
  const output = file === '-' ? { write: terminal.writeOut, keep: () => {}, drop: () => {} } : createExportFile(file);
  try {
    const write = async (): Promise<void> => {
      for await (const record of readTrail(channel, filterOf(options), 'oldest')) {
        output.write(`${JSON.stringify(record)}\n`);
        records += 1;
      }
    };
    await withProgress(terminal, () => `${formatCount(records, 'record')} so far`, write);
    output.keep();
  } catch (error) {
    output.drop();
    throw error;
  }
  if (file === '-') return;
  if (json) writeJson(terminal, { file, records });
  else terminal.writeOut(`${file}: ${formatCount(records, 'record')}\n`);
}

/** Whole under its name, or not there. */
function createExportFile(file: string): { write: (text: string) => void; keep: () => void; drop: () => void } {
  const unfinished = `${file}.${process.pid}.new`;
  const fd = attempt(() => openSync(unfinished, 'wx', 0o600), file);
  return {
    write: (text) => attempt(() => writeFileSync(fd, text), file),
    keep() {
      attempt(() => fsyncSync(fd), file);
      closeSync(fd);
      attempt(() => renameSync(unfinished, file), file);
    },
    drop: () => rmSync(unfinished, { force: true }),
  };
}

function attempt<Result>(work: () => Result, file: string): Result {
  try {
    return work();
  } catch (error) {
    throw new TenantdError('TENANTD_E_FILE_UNWRITABLE', `${file} can not be written: ${messageOf(error)}`, 'name another place');
  }
}

async function verify(surroundings: Surroundings, { config, json, verify: file }: AuditOptions, setExitCode: SetExitCode): Promise<void> {
  const { terminal } = surroundings;
  let records = 0;
  const count = (): void => void (records += 1);
  const verdict = await withProgress(
    terminal,
    () => `${formatCount(records, 'record')} so far`,
    () => (typeof file === 'string' ? verifyFile(file, count) : verifyOverChannel(surroundings, config, count)),
  );
  if (json) writeJson(terminal, verdict);
  else terminal.writeOut(renderVerdict(verdict, terminal));
  if (!verdict.ok) setExitCode(1);
}

async function verifyOverChannel(surroundings: Surroundings, config: string, count: () => void): Promise<AuditVerdict> {
  const channel = await connectDaemon(surroundings, config, {});
  try {
    return await verifyTrail(channel, count);
  } finally {
    channel.close();
  }
}

function renderVerdict({ records, first, head, fault, cuts, restored }: AuditVerdict, { width, paint }: Terminal): string {
  const lines = [
    ...cuts.map(({ sequence, time }) =>
      paint('red', `record ${sequence}: ${time.slice(0, 19)}, tenantd found that records before it had been cut off`),
    ),
    ...restored.map(
      ({ sequence, time }) => `record ${sequence}: ${time.slice(0, 19)}, the trail was put back from a copy; records after it may be lost`,
    ),
    ...(fault ? [paint('red', `record ${fault.sequence}: ${printable(fault.what)}`)] : []),
    `${formatCount(records, 'record')}${first === undefined || first === 1 ? '' : ` from ${first} on`}${fault ? ' before it' : ''} as they were written`,
  ];
  const wrapped = lines.flatMap((line) => wrapText(line, width));
  return [...wrapped, ...(head && !fault ? [`head ${head.sequence} ${head.hash}`] : []), ''].join('\n');
}
