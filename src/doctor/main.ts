// `tenantctl doctor` starts this and reads its answer, one JSON document. It needs no daemon, and no tenantd.yaml.
import { existsSync } from 'node:fs';
import { loadDaemonConfig, parseDaemonConfig } from '../config/daemon-config.ts';
import { closeInheritedDescriptors } from '../privileged/descriptors.ts';
import { examine } from './examine.ts';

closeInheritedDescriptors();
process.umask(0o022);
const [configFile = ''] = process.argv.slice(2);
const loaded = existsSync(configFile) ? await loadDaemonConfig(configFile) : undefined;
const config = loaded?.config ?? parseDaemonConfig('{}', configFile).config;
if (!config) throw new Error('tenantd.yaml has no defaults');
process.stdout.write(`${JSON.stringify(await examine(config, process.geteuid?.() === 0))}\n`);
