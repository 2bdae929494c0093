// The DNS hook of the tests: sets TXT records in the challenge test server, whose management address is the first argument.
import { appendFileSync } from 'node:fs';

const [management = '', log = '', action = '', name = '', value = ''] = process.argv.slice(2);
appendFileSync(log, `${action} ${name} ${value}\n`);
const [method, body] = action === 'present' ? ['set-txt', { host: `${name}.`, value }] : ['clear-txt', { host: `${name}.` }];
const response = await fetch(`http://${management}/${method}`, { method: 'POST', body: JSON.stringify(body) });
if (!response.ok) throw new Error(`${method}: ${response.status}`);
