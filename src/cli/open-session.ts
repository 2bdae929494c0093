import { connectDaemon } from './control-client.ts';
import type { Surroundings } from './program.ts';
import { parseLogSource } from './references.ts';
import { type ClientEnd, runClientSession, type Sink } from './session-client.ts';
import type { SessionStreams } from './session-streams.ts';

export interface SessionOrder {
  /** The configuration file. */
  config: string;
  /** `TENANT` or `TENANT/APP` */
  reference: string;
  /** Absent: the login shell. */
  command?: readonly string[];
  tty: boolean;
  secrets: boolean;
  streams: SessionStreams;
  output: Sink;
  errors: Sink;
}

/** A tenant that was just found is made first. */
const openTimeoutMs = 60_000;
const plainTerminal = 'xterm-256color';

/** Opens a session and runs it to its end. */
export async function runSession(surroundings: Surroundings, order: SessionOrder): Promise<ClientEnd> {
  const { config, reference, command, tty, secrets, streams, output, errors } = order;
  const target = parseLogSource(reference);
  const terminal = tty && { tty: { ...streams.size(), term: termOf(streams) } };
  const params = { ...target, ...(command && { command }), ...(secrets && { secrets }), ...terminal };
  const channel = await connectDaemon(surroundings, config, {});
  try {
    const { stream } = await channel.upgrade(command ? 'exec' : 'shell', params, openTimeoutMs);
    const end = await runClientSession({ stream, streams, tty, output, errors });
    if (end.outOfMemory) surroundings.terminal.writeErr(`tenantctl: something was ended at the memory limit of ${target.tenant}\n`);
    return end;
  } finally {
    channel.close();
  }
}

/** What is no name of a terminal is not passed on. */
function termOf({ term = '' }: SessionStreams): string {
  return /^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$/.test(term) ? term : plainTerminal;
}
