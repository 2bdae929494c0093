// Logs a few lines in the format that argv names. Started by log.test.ts: what is tested is what arrives at a terminal.
import { createLog, logFormats } from '../../../src/daemon/log.ts';

const log = createLog(logFormats.find((format) => format === process.argv[2]) ?? 'text');
const hostile = 'a\u001b[2Jb\u0007\u0008c\r\nd\u009b31me\u007f\u0000 \u00fc \u{1f600}';

log.info({}, 'tenantd is ready');
log.warn({ tenant: 'acme', from: 'host' }, hostile);
log.error({ output: hostile, nested: { line: hostile, list: [1, null] }, exitCode: null, isFatal: false }, 'ended');
log.debug({}, 'not shown');
