import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nginxBasics, nginxCommand } from './nginx.ts';
import { accepts, type Program, startProgram } from './programs.ts';

/**
 * `static`: an nginx that answers from memory, the cheapest there is.
 * `echo`: a small server on node:net that reads whole bodies before it answers, and sends WebSocket messages back.
 * `app`: a Fastify app, one process a processor.
 */
export type UpstreamKind = 'static' | 'echo' | 'app';

export interface Upstream {
  sockets: string[];
  stop(): Promise<void>;
}

export interface UpstreamOptions {
  kind: UpstreamKind;
  folder: string;
  cpus?: string | undefined;
  processes: number;
}

export const smallBody = `${'tenantd '.repeat(18)}bench\n`;
export const largeBytes = 64 << 10;

/** The sockets lie where the edge looks for those of the tenant `bench`. */
export async function startUpstream({ kind, folder, cpus, processes }: UpstreamOptions): Promise<Upstream> {
  mkdirSync(join(folder, 'bench'), { recursive: true });
  const sockets = Array.from({ length: kind === 'app' ? processes : 1 }, (_, index) => join(folder, 'bench', `${kind}${index}.sock`));
  const programs: Program[] = [];
  const stop = async (): Promise<void> => void (await Promise.all(programs.map((program) => program.stop())));
  try {
    for (const socket of sockets) {
      const program = startProgram({
        command: commandOf(kind, folder, socket),
        cpus,
        cwd: folder,
        outputFile: join(folder, 'upstream.log'),
      });
      programs.push(program);
      await program.untilReady(() => accepts({ path: socket }));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { sockets, stop };
}

function commandOf(kind: UpstreamKind, folder: string, socket: string): string[] {
  if (kind !== 'static') return [process.execPath, new URL(`${kind}-process.ts`, import.meta.url).pathname, socket];
  const file = join(folder, 'upstream.conf');
  writeFileSync(join(folder, 'large'), Buffer.alloc(largeBytes, 'tenantd '));
  writeFileSync(file, staticServer(folder, socket));
  return nginxCommand(file);
}

/** `/fields` answers with the forwarding fields that it got. */
function staticServer(folder: string, socket: string): string {
  const fields = ['for', 'proto', 'host', 'port'].map((name) => `$http_x_forwarded_${name}`);
  return `${nginxBasics(folder, 1)}
  access_log off;
  sendfile on;
  default_type text/plain;
  open_file_cache max=10 inactive=1h;
  server {
    listen unix:${socket};
    location = /small { return 200 "${smallBody}"; }
    location = /large { root ${folder}; }
    location = /fields { return 200 "${fields.join('|')}|$http_x_request_id"; }
  }
}
`;
}
