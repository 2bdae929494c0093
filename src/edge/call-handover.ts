import type { Socket } from 'node:net';
import { AddressCounts } from './address-counts.ts';
import type { Caller } from './gateways.ts';

/** An edge that takes connections over. */
export interface CallTaker {
  /** Answers when it has it, or can't have it any more; not at all if it ends first. */
  hand(caller: Caller, socket: Socket, onHanded: (error: Error | null) => void): void;
}

interface Call {
  caller: Caller;
  taker: CallTaker | undefined;
  timer: NodeJS.Timeout;
}

interface CallHandoverLimits {
  calls: number;
  callsPerTenant: number;
  waitMs: number;
}

const usualLimits: CallHandoverLimits = { calls: 2_048, callsPerTenant: 512, waitMs: 10_000 };

/**
 * Callers' connections on their way to an edge: an edge takes one after another, and there may be none at the moment.
 *
 * Invariants:
 * - There are so many at most, and of one tenant a part of them, so that a flood of its own keeps out nobody else.
 * - Each is taken by an edge once, or closed when its time is up.
 */
export class CallHandover {
  private readonly limits: CallHandoverLimits;
  private readonly calls = new Map<Socket, Call>();
  private readonly perTenant = new AddressCounts();
  private takers: CallTaker[] = [];

  constructor(limits: Partial<CallHandoverLimits> = {}) {
    this.limits = { ...usualLimits, ...limits };
  }

  add(caller: Caller, socket: Socket): void {
    const { calls, callsPerTenant, waitMs } = this.limits;
    if (this.calls.size >= calls || !this.perTenant.tryAdd(caller.tenant, callsPerTenant)) return void socket.destroy();
    const timer = setTimeout(() => this.drop(socket), waitMs).unref();
    const call = { caller, taker: undefined, timer };
    this.calls.set(socket, call);
    this.give(socket, call);
  }

  /** Those that live now. What was on its way to another one goes to one of them. */
  setTakers(takers: readonly CallTaker[]): void {
    this.takers = [...takers];
    for (const [socket, call] of this.calls) if (!call.taker || !takers.includes(call.taker)) this.give(socket, call);
  }

  /** To the one that has the fewest on their way: one that hangs takes none. */
  private give(socket: Socket, call: Call): void {
    const busy = new Map(this.takers.map((taker) => [taker, 0]));
    for (const { taker } of this.calls.values()) if (taker && busy.has(taker)) busy.set(taker, (busy.get(taker) ?? 0) + 1);
    const [taker] = this.takers.toSorted((a, b) => (busy.get(a) ?? 0) - (busy.get(b) ?? 0));
    call.taker = taker;
    // In turn, when all are alike.
    if (taker) this.takers = [...this.takers.filter((other) => other !== taker), taker];
    taker?.hand(call.caller, socket, (error) => {
      if (this.calls.get(socket)?.taker !== taker) return;
      if (!error) this.forget(socket);
      // Its end follows, and with it the next try.
      else call.taker = undefined;
    });
  }

  private drop(socket: Socket): void {
    this.forget(socket);
    socket.destroy();
  }

  private forget(socket: Socket): void {
    const call = this.calls.get(socket);
    if (!call) return;
    this.calls.delete(socket);
    clearTimeout(call.timer);
    this.perTenant.remove(call.caller.tenant);
  }
}
