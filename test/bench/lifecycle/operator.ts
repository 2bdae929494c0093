import net from 'node:net';
import type { Status } from '../../../src/protocol/control.ts';
import { operatorSocket } from '../../../src/protocol/control.ts';
import { createChannel } from '../../../src/protocol/channel.ts';
import type { TestDaemon } from '../../support/test-daemon.ts';

/** Asks the daemon without a process of its own, which would take a processor from what is measured. */
export async function readStatus(daemon: TestDaemon): Promise<Status> {
  const channel = createChannel({ stream: net.connect(`${daemon.directory}/run/${operatorSocket}`), handlers: {} });
  try {
    return (await channel.request('status', {})) as Status;
  } finally {
    channel.close();
  }
}
