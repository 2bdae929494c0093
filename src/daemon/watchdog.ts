import { messageOf, TenantdError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { createChannel } from '../protocol/channel.ts';
import { connectUnixSocket } from '../protocol/connect-unix-socket.ts';
import type { ServiceManager } from './notify.ts';

export interface WatchdogOptions {
  manager: Pick<ServiceManager, 'alive' | 'everyMs'>;
  /** Where operators are answered. */
  socket: string;
  statusText: () => string;
  log: Log;
}

/** No operation has that name: to be refused is an answer, and changes nothing. */
const question = 'watchdog';

/**
 * Says that the daemon is well, as long as its event loop turns and its control socket is answered: a person may find it deaf otherwise, and
 * nobody else would. Answers with a function that ends it.
 */
export function startWatchdog({ manager, socket, statusText, log }: WatchdogOptions): () => void {
  const { everyMs } = manager;
  if (everyMs === undefined) return () => {};
  const limitMs = everyMs;
  let isAsking = false;

  async function look(): Promise<void> {
    if (isAsking) return;
    isAsking = true;
    try {
      await ask(socket, limitMs);
      manager.alive(statusText());
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'the control socket does not answer: systemd is not told that all is well');
    } finally {
      isAsking = false;
    }
  }

  void look();
  const timer = setInterval(() => void look(), everyMs).unref();
  return () => clearInterval(timer);
}

async function ask(socket: string, timeoutMs: number): Promise<void> {
  const channel = createChannel({ stream: await connectUnixSocket(socket), handlers: {} });
  try {
    await channel.request(question, {}, timeoutMs);
  } catch (error) {
    if (!(error instanceof TenantdError) || error.code !== 'TENANTD_E_UNKNOWN_METHOD') throw error;
  } finally {
    channel.close();
  }
}
