/**
 * Open connections by client: one of these for the whole edge, and one a tenant.
 *
 * Invariant: a client is kept while it has a connection, so that there are never more of them than connections.
 */
export class AddressCounts {
  private readonly counts = new Map<string, number>();

  /** How many clients there are. */
  get size(): number {
    return this.counts.size;
  }

  /** One more of `key` (see `countingKey`); false, and none more, when it has `limit` already. A limit of 0 means none. */
  tryAdd(key: string, limit: number): boolean {
    const count = this.counts.get(key) ?? 0;
    if (limit > 0 && count >= limit) return false;
    this.counts.set(key, count + 1);
    return true;
  }

  /** One that was added is closed. */
  remove(key: string): void {
    const count = this.counts.get(key) ?? 0;
    if (count > 1) this.counts.set(key, count - 1);
    else this.counts.delete(key);
  }
}

const networkGroups = 4;
const allGroups = 8;

/** Whom a canonical address is counted as: in IPv6 its /64, since that is what one customer gets, and can change addresses in at will. */
export function countingKey(address: string): string {
  if (!address.includes(':')) return address;
  const [front = '', back] = address.split('::');
  const groups = groupsOf(front);
  if (back !== undefined) {
    const last = groupsOf(back);
    while (groups.length + last.length < allGroups) groups.push('0');
    groups.push(...last);
  }
  return `${groups.slice(0, networkGroups).join(':')}::/64`;
}

/** An IPv4 address at the end stands for two. */
function groupsOf(text: string): string[] {
  const groups = text === '' ? [] : text.split(':');
  return text.includes('.') ? [...groups, ''] : groups;
}
