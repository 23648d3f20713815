// Sends events with one real SDK. Reads what to do from stdin, says on stdout what went wrong.
import { readFileSync } from 'node:fs';

const which = process.argv[2];
const asked = JSON.parse(readFileSync(0, 'utf8'));
const errors = [];
const properties = asked.pad ? { pad: 'x'.repeat(asked.pad) } : { format: 'pdf' };
const userId = 'u-1';

async function withSegment() {
  const { Analytics } = await import('@segment/analytics-node');
  const client = new Analytics({
    writeKey: asked.key,
    host: asked.url,
    maxEventsInBatch: 20,
    flushInterval: 50,
    maxRetries: 12,
  });
  client.on('error', (error) => errors.push(`${error.code}: ${error.reason?.message ?? ''}`));
  const context = { groupId: asked.account };
  for (const id of asked.ids) {
    client.track({ userId, event: asked.event, properties, messageId: id, context });
  }
  if (asked.page) client.page({ userId, name: asked.page, context });
  await client.closeAndFlush({ timeout: 60_000 });
}

async function withRudder() {
  const module = await import('@rudderstack/rudder-sdk-node');
  const Client = module.default.default ?? module.default;
  const client = new Client(asked.key, {
    dataPlaneUrl: asked.url,
    flushAt: 20,
    flushInterval: 50,
    retryCount: 120,
    axiosRetryConfig: { retryDelay: () => 500 },
    gzip: asked.gzip,
    logLevel: 'error',
    errorHandler: (error) => errors.push(String(error.message ?? error)),
  });
  const context = { groupId: asked.account };
  const sent = (error) => error && errors.push(String(error.message ?? error));
  const waiting = asked.ids.map(
    (id) =>
      new Promise((done) =>
        client.track({ userId, event: asked.event, properties, messageId: id, context }, (e) => {
          sent(e);
          done();
        }),
      ),
  );
  if (asked.page) {
    waiting.push(
      new Promise((done) =>
        client.page({ userId, name: asked.page, context }, (e) => {
          sent(e);
          done();
        }),
      ),
    );
  }
  client.flush(() => {});
  await Promise.all(waiting);
}

async function withPostHog() {
  const { PostHog } = await import('posthog-node');
  const client = new PostHog(asked.key, {
    host: asked.url,
    flushAt: 20,
    flushInterval: 50,
    fetchRetryCount: 12,
    fetchRetryDelay: 500,
    disableCompression: !asked.gzip,
  });
  client.on('error', (error) => errors.push(`${error.name}: ${error.message}`));
  const groups = { company: asked.account };
  for (const id of asked.ids) {
    client.capture({ distinctId: userId, event: asked.event, properties, groups, uuid: id });
  }
  if (asked.page) {
    client.capture({ distinctId: userId, event: '$pageview', properties: { name: asked.page }, groups });
  }
  if (asked.flags) await client.isFeatureEnabled('any', userId);
  await client.shutdown(60_000);
}

await { segment: withSegment, rudder: withRudder, posthog: withPostHog }[which]();
console.log(JSON.stringify({ errors }));
process.exit(0);
