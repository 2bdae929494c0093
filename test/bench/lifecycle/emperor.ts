import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../support/until.ts';
import { freePort, startProgram } from '../edge/programs.ts';
import { wsgiSource } from './sample-apps.ts';

/** uWSGI's Emperor with one vassal on demand: it is started by a connection and ends when it was idle for a second. */
export interface Emperor {
  port: number;
  untilAsleep(): Promise<void>;
  stop(): Promise<void>;
}

const asleepLine = 'waiting for connections on socket';

export async function startEmperor(folder: string): Promise<Emperor> {
  const port = await freePort();
  const vassals = join(folder, 'vassals');
  const outputFile = join(folder, 'emperor.log');
  mkdirSync(vassals);
  writeFileSync(join(folder, 'app.py'), wsgiSource);
  writeFileSync(join(vassals, 'app.ini'), vassalOf(join(folder, 'app.py')));
  writeFileSync(join(vassals, 'app.ini.socket'), `127.0.0.1:${port}`);
  const program = startProgram({
    command: ['uwsgi-core', '--emperor', vassals, '--emperor-on-demand-extension', '.socket'],
    outputFile,
  });
  const naps = (): number => readFileSync(outputFile, 'utf8').split(asleepLine).length - 1;
  let seen = 0;
  await program.untilReady(async () => naps() > 0);
  return {
    port,
    async untilAsleep() {
      await until(() => naps() > seen, 'the vassal sleeps', 30_000);
      seen = naps();
    },
    stop: () => program.stop(),
  };
}

/** `die-on-idle` works with a master only. */
function vassalOf(file: string): string {
  return `[uwsgi]
plugin = python3
http-socket = fd://0
wsgi-file = ${file}
need-app = true
disable-logging = true
master = true
processes = 1
idle = 1
die-on-idle = true
`;
}
