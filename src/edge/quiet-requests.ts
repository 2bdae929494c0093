import { findField } from '../http1/field-lookup.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { NoWake } from '../protocol/edge.ts';

/** By what it was told that a request neither wakes its app nor keeps it awake. */
export type Quiet = 'path' | 'agent';

/** Of a `user-agent`: what is behind names nobody. */
const lookedAtCharacters = 512;

/** An app's `noWake`, ready to be compared. */
export class QuietRequests {
  private readonly paths: ReadonlySet<string>;
  /** In lower case. */
  private readonly agents: readonly string[];

  constructor({ paths, agents }: NoWake) {
    this.paths = new Set(paths);
    this.agents = agents.map((agent) => agent.toLowerCase());
  }

  /** Only what asks can be answered in place of the app; what sends something to the path is no question how it is. */
  find(head: RequestHead): Quiet | undefined {
    if ((head.method === 'GET' || head.method === 'HEAD') && this.paths.has(pathOf(head.target))) return 'path';
    if (this.agents.length === 0) return undefined;
    const sent = findField(head, 'user-agent')?.slice(0, lookedAtCharacters).toLowerCase();
    return sent !== undefined && this.agents.some((agent) => sent.includes(agent)) ? 'agent' : undefined;
  }
}

/** Without query and trailing slash, as app.yaml has them. */
function pathOf(target: string): string {
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
