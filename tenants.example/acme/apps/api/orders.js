import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One order a line. The folder is the app's own and is kept over restarts. */
const file = join(process.env.TENANTD_DATA_DIR ?? '.', 'orders.ndjson');

export async function addOrder(order) {
  const id = crypto.randomUUID().slice(0, 8);
  await appendFile(file, `${JSON.stringify({ id, at: new Date().toISOString(), ...order })}\n`);
  return id;
}

export async function countOrders() {
  try {
    return (await readFile(file, 'utf8')).trimEnd().split('\n').length;
  } catch (error) {
    if (error.code === 'ENOENT') return 0;
    throw error;
  }
}
