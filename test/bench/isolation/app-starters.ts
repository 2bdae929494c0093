import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, mkdirSync, openSync, closeSync, rmSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import { openControlGroups } from '../../../src/privileged/cgroups.ts';
import { closeNetwork, createNetwork } from '../../../src/privileged/networks.ts';
import { copyBubblewrap, findPrograms, runProgram } from '../../../src/privileged/programs.ts';
import { sandboxLib, sandboxNode, sandboxPath, type SandboxSpec } from '../../../src/privileged/sandbox-arguments.ts';
import { createLauncher, killSandbox } from '../../../src/privileged/sandboxes.ts';
import { writeSystemCallFilters } from '../../../src/privileged/seccomp-filter.ts';
import { encodeHandOver } from '../../../src/protocol/hand-over.ts';

export interface Started {
  /** Of the outermost process; its children belong to it. */
  pid: number;
  /** Where the app answers. */
  socket: string;
  end(): void;
  ended: Promise<unknown>;
  /** Nothing is left of it. */
  removed: Promise<unknown>;
}

export interface Starter {
  start(what: 'true' | 'app'): Promise<Started>;
}

interface Folders {
  folder: string;
  app: string;
}

/** Nobody's: the app of this benchmark alone. */
const uid = 64_900;
const lib = new URL('../../../dist', import.meta.url).pathname;
const heapOption = '--max-old-space-size=96';

export function startBare({ folder, app }: Folders): Starter {
  const data = join(folder, 'bare-data');
  mkdirSync(data);
  let count = 0;
  return {
    async start(what) {
      const socket = join(folder, `bare.${count++}.sock`);
      const command = what === 'true' ? ['/bin/true'] : [process.execPath, heapOption, join(app, 'app.js')];
      const [program = '', ...args] = command;
      const child = spawn(program, args, {
        env: { PORT: socket, TENANTD_DATA_DIR: data, NODE_ENV: 'production' },
        stdio: 'ignore',
        detached: true,
      });
      const ended = once(child, 'exit');
      return { pid: child.pid ?? 0, socket, end: () => child.kill('SIGKILL'), ended, removed: ended };
    },
  };
}

/** All that a worker gets: see src/daemon/workers.ts. Everything is gone afterwards. */
export async function withSandboxes<Result>({ folder, app }: Folders, use: (starter: Starter) => Promise<Result>): Promise<Result> {
  const programs = findPrograms();
  for (const name of ['sandboxes', 'etc', 'scratch', 'data']) mkdirSync(join(folder, name), { mode: 0o755 });
  chownSync(join(folder, 'data'), uid, uid);
  const launcher = createLauncher({
    programs,
    bubblewrap: copyBubblewrap(programs, folder),
    directory: join(folder, 'sandboxes'),
    etcDirectory: join(folder, 'etc'),
    scratchDirectory: join(folder, 'scratch'),
    systemCallFilters: writeSystemCallFilters(folder, process.arch),
  });
  const groups = openControlGroups(`tenantd-bench-${process.pid}`);
  groups.setTenant('bench', { memoryBytes: 128 << 20, cpu: 4, processes: 64 });
  const network = await createNetwork(programs);
  let count = 0;

  async function start(what: 'true' | 'app'): Promise<Started> {
    const id = `bench.${count++}`;
    const socket = join(folder, `${id}.sock`);
    const pipes = what === 'app' ? [join(folder, `${id}.out`), join(folder, `${id}.report`)] : [];
    if (pipes.length > 0) await runProgram(programs.mkfifo, ['-m', '0600', ...pipes]);
    const [output, report] = pipes.map((pipe) => openSync(pipe, constants.O_RDWR));
    const sandbox = await launcher.launch(what === 'app' ? appSpec(id, { folder, app }) : trueSpec(id), {
      network: { path: network.path },
      controlGroupFiles: groups.makeMember('bench', id),
      outOfMemoryScore: 500,
      output: output ?? 'ignore',
      inherit: report === undefined ? [] : [report],
      ...(what === 'app' && { ownSocket: { path: socket, uid: 0, gid: 0, mode: 0o660 }, handOver: encodeHandOver([]) }),
    });
    const removed = sandbox.monitorExited.then(async () => {
      for (const fd of [output, report]) if (fd !== undefined) closeSync(fd);
      for (const file of [...pipes, socket]) rmSync(file, { force: true });
      launcher.removeFiles(id);
      await groups.removeMember('bench', id);
    });
    return { pid: sandbox.monitor.pid, socket, end: () => killSandbox(sandbox), ended: sandbox.monitorExited, removed };
  }

  try {
    return await use({ start });
  } finally {
    closeNetwork(network);
    await groups.removeTenant('bench');
    await groups.removeBase();
  }
}

function appSpec(id: string, { folder, app }: Folders): SandboxSpec {
  return {
    ...trueSpec(id),
    env: { PATH: sandboxPath, LANG: 'C.UTF-8', NODE_ENV: 'production', PORT: '3000', HOME: '/data/home', TENANTD_DATA_DIR: '/data' },
    binds: [
      { source: process.execPath, target: sandboxNode, access: 'read' },
      { source: lib, target: sandboxLib, access: 'read' },
      { source: app, target: '/apps/site', access: 'read' },
      { source: join(folder, 'data'), target: '/data', access: 'write' },
    ],
    withSecrets: true,
    workingDirectory: '/apps/site',
    command: [sandboxNode, '--disable-sigusr1', heapOption, `${sandboxLib}/worker.cjs`, JSON.stringify({ kind: 'node', entry: 'app.js' })],
  };
}

function trueSpec(id: string): SandboxSpec {
  const tmp = { tmpBytes: 32 << 20, tmpInodes: 8_192 };
  return { id, uid, gid: uid, hostname: 'bench', env: {}, binds: [], ...tmp, workingDirectory: '/', command: ['/bin/true'] };
}
