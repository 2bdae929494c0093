import { get } from 'node:http';
import { json } from 'node:stream/consumers';

/** There while another tenant lets this one call something: here Acme its app `api` (see `grants` in its tenant.yaml). */
const socketPath = '/run/tenantd/gateway/http.sock';

/** Acme's products, or undefined where it does not let us see them. */
export async function askPartner() {
  const { promise, resolve, reject } = Promise.withResolvers();
  get({ socketPath, headers: { host: 'api.acme.internal' }, path: '/api/products' }, resolve).on('error', reject);
  try {
    const response = await promise;
    if (response.statusCode === 200) return (await json(response)).products;
    response.resume();
  } catch (error) {
    console.error(`Acme can not be asked: ${error.message}`);
  }
}
