import type { Log } from '../base/log.ts';
import { createDispatch, startControlServer } from './control-server.ts';
import type { createOperations } from './operations.ts';
import type { Machine } from './machine.ts';
import type { Paths } from './paths.ts';
import type { Store } from './store.ts';
import type { TokenConnections } from './token-connections.ts';
import { createTokenGate } from './token-gate.ts';
import { startTokenServer } from './token-server.ts';
import type { Tokens } from './tokens.ts';

export interface ControlSocketParts extends ReturnType<typeof createOperations> {
  machine: Pick<Machine, 'programs' | 'stalls'>;
  paths: Pick<Paths, 'operatorSocket' | 'tokenSocket'>;
  store: Pick<Store, 'appendAudit'>;
  tokens: Tokens;
  connections: TokenConnections;
  log: Log;
}

const proposalsLookedAtMs = 3_600_000;

/** The operator's socket and that of token holders: one way to the operations. Answers with a function that closes both. */
export async function openControlSockets(parts: ControlSocketParts): Promise<() => Promise<void>> {
  const { operations, propose, expireProposals, machine, paths, store, tokens, connections, log } = parts;
  const handlersFor = createDispatch(operations, createTokenGate({ store, propose, nowMs: Date.now }));
  const closeControl = await startControlServer({ socket: paths.operatorSocket, handlersFor, log });
  const closeTokens = await startTokenServer({ machine, socket: paths.tokenSocket, tokens, connections, handlersFor, log });
  const expiring = setInterval(expireProposals, proposalsLookedAtMs).unref();
  return async () => {
    clearInterval(expiring);
    await Promise.all([closeControl(), closeTokens()]);
  };
}
