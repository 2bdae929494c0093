/** A statement that writes these columns, in this order, and leaves others of the row, of a newer tenantd's, as they are. */
export function upsert(table: string, keys: readonly string[], values: readonly string[] = []): string {
  const columns = [...keys, ...values];
  const update = values.length === 0 ? 'NOTHING' : `UPDATE SET ${values.map((name) => `${name} = excluded.${name}`).join(', ')}`;
  const places = columns.map(() => '?').join(', ');
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places}) ON CONFLICT (${keys.join(', ')}) DO ${update}`;
}
