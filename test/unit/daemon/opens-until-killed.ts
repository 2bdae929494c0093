// Opens the state store of a folder and closes it, and kills itself before the change to a file that it was told. Started by
// state-survives.test.ts.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const [, , folder = '', killAt] = process.argv;
const changes = { count: 0 };

function killedBefore<Args extends unknown[], Result>(change: (...args: Args) => Result) {
  return (...args: Args): Result => {
    changes.count += 1;
    if (changes.count === Number(killAt)) process.kill(process.pid, 'SIGKILL');
    return change(...args);
  };
}

fs.renameSync = killedBefore(fs.renameSync);
fs.rmSync = killedBefore(fs.rmSync);
fs.linkSync = killedBefore(fs.linkSync);
fs.fsyncSync = killedBefore(fs.fsyncSync);
syncBuiltinESMExports();

const { createPaths } = await import('../../../src/daemon/paths.ts');
const { openState } = await import('../../../src/daemon/state.ts');
const log = { debug() {}, info() {}, warn() {}, error() {} };
const { state: files } = createPaths({ tenantsDir: folder, stateDir: folder, runDir: folder, logDir: folder });
const state = openState({ files, uids: { first: 200_000, count: 1_000, isTaken: () => false }, log });
state.store.uidOf('late' as never, '');
await state.close();
