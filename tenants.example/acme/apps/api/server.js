import Fastify from 'fastify';
import { addOrder, countOrders } from './orders.js';
import { receiptOf } from './receipt.js';

const products = [
  { id: 'anvil', name: 'Anvil', cents: 4999 },
  { id: 'tunnel', name: 'Portable tunnel, painted', cents: 1995 },
  { id: 'skates', name: 'Rocket skates', cents: 18900 },
  { id: 'seed', name: 'Dehydrated boulder', cents: 250 },
];

const orderSchema = {
  body: {
    type: 'object',
    required: ['product'],
    additionalProperties: false,
    properties: { product: { type: 'string' }, quantity: { type: 'integer', minimum: 1, maximum: 100, default: 1 } },
  },
};

const app = Fastify({ logger: true });

// Asked by the supervisor, not below /api: the world does not reach it.
app.get('/healthz', { logLevel: 'warn' }, async () => ({ ok: true }));

app.get('/api/products', async () => ({ products }));

app.post('/api/orders', { schema: orderSchema }, async (request, reply) => {
  const product = products.find(({ id }) => id === request.body.product);
  if (!product) return reply.code(404).send({ message: 'There is no such product.' });
  const { quantity } = request.body;
  const id = await addOrder({ product: product.id, quantity, cents: product.cents * quantity });
  const cents = product.cents * quantity;
  return reply.code(201).send({ id, cents, receipt: receiptOf(`${id} ${cents}`) });
});

app.get('/api/orders', async () => ({ orders: await countOrders() }));

app.get('/api/whoami', async (request) => ({
  tenant: request.headers['x-tenantd-tenant'] ?? 'nobody',
  app: request.headers['x-tenantd-app'] ?? 'api',
  uid: process.getuid(),
  pid: process.pid,
  host: request.headers.host,
  node: process.version,
}));

await app.listen({ port: 3000 });
