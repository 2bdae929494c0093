/** What tenants used, as the edges count it; from the edges to their master, and from there to the daemon. */
import { z } from 'zod';
import { maxUsageRows, statusClasses } from './edge-paths.ts';

/** Since the last word on it. */
export interface EdgeUsage {
  tenant: string;
  /** '' for what came to the tenant and to none of its apps: a redirect, a 404 of the edge, one over its rate. */
  app: string;
  /** By the first digit of the answer's status; at 0 those that nothing was answered to. A tunnel counts when it begins. */
  requests: number[];
  /** Content of bodies (compressed, where the edge did that), without chunks' heads; and all of tunnels. Between client and edge. */
  bytesIn: number;
  bytesOut: number;
}

/** Edge -> master: a notification, once a second while there is something to tell. */
export interface EdgeUsageTold {
  usage: EdgeUsage[];
}

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

/** Master -> daemon: requests. */
export const edgeUsageCalls = {
  /**
   * Answered, with null, when it is written down for good. Numbers of one master grow from batch to batch; what comes twice counts once, so
   * a batch that was not answered is sent again, as it was.
   */
  usage: z.strictObject({
    number: count,
    usage: z
      .array(
        z.strictObject({
          ...{ tenant: z.string().max(64), app: z.string().max(64) },
          requests: z.array(count).length(statusClasses),
          ...{ bytesIn: count, bytesOut: count },
        }),
      )
      .max(maxUsageRows),
  }),
};
