// Started by descriptors.test.ts with foreign descriptors open: closes them, and tells which ones a child of its own would get.
import { spawnSync } from 'node:child_process';
import { openSync, readSync } from 'node:fs';
import { closeInheritedDescriptors } from '../../../src/privileged/descriptors.ts';

const listOfChild = (): string[] => spawnSync('/bin/ls', ['/proc/self/fd'], { encoding: 'utf8' }).stdout.trim().split('\n');

const own = openSync('/proc/self/stat', 'r');
const before = listOfChild();
const closed = closeInheritedDescriptors();
const after = listOfChild();
process.stdout.write(JSON.stringify({ before, closed, after, ownBytes: readSync(own, Buffer.alloc(1)) }));
