// A Fastify app on the Unix socket argv[2].
import { fastify } from 'fastify';
import { smallBody } from './upstream.ts';

const app = fastify();
app.get('/small', () => ({ message: smallBody }));
await app.listen({ path: process.argv[2] ?? '' });
