import { HpackDecoder } from './hpack-decoder.ts';
import type { Http2Limits } from './limits.ts';
import { RequestFields } from './request-fields.ts';
import { Slabs } from './slabs.ts';

export interface Http2Options {
  limits: Http2Limits;
  /** For flood rates; a coarse clock will do. */
  nowMs: () => number;
  /**
   * Calls back once, soon. What connections have to send is gathered until then and goes out with one write for each: `setImmediate`
   * joins all that one turn of the event loop brought.
   */
  schedule: (flush: () => void) => void;
}

/** Something with output that waits for the flush. */
export interface Flushed {
  flush(): void;
}

/** What all connections of a process share. */
export class Http2Context {
  readonly limits: Http2Limits;
  readonly nowMs: () => number;
  readonly decoder: HpackDecoder;
  readonly fields: RequestFields;
  readonly slabs = new Slabs();
  private readonly schedule: (flush: () => void) => void;
  private unflushed: Flushed[] = [];

  constructor({ limits, nowMs, schedule }: Http2Options) {
    this.limits = limits;
    this.nowMs = nowMs;
    this.schedule = schedule;
    this.decoder = new HpackDecoder(limits.headerBlockBytes);
    this.fields = new RequestFields(limits.fieldSectionBytes);
  }

  /** Has it flushed with the others. */
  flushSoon(connection: Flushed): void {
    if (this.unflushed.push(connection) === 1) this.schedule(this.flushAll);
  }

  private readonly flushAll = (): void => {
    const { unflushed } = this;
    this.unflushed = [];
    for (const connection of unflushed) connection.flush();
  };
}
