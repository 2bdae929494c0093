import type { Http2Limits } from './limits.ts';

/** What all connections of a process share. */
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

export declare class Http2Context {
  constructor(options: Http2Options);
}
