// A session of JavaScript's client; what it prints is its transcript.

import { Writable } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const namespace = 'default';

const tell = (what, value) => console.log(what, JSON.stringify(value));

async function refused(what, call) {
  try {
    await call();
    tell(what, 'was not refused');
  } catch (error) {
    const status = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    tell(what, { code: error.code, reason: status.reason, message: status.message });
  }
}

tell('version', (await config.makeApiClient(k8s.VersionApi).getCode()).gitVersion);
tell('nodes', (await core.listNode()).items.map((node) => node.metadata.name));

const labels = { app: 'js' };
const deployment = {
  metadata: { name: 'js' },
  spec: {
    replicas: 2,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'nginx', image: 'nginx' }] } },
  },
};

// An informer sees the pods come.
const listPods = () => core.listNamespacedPod({ namespace, labelSelector: 'app=js' });
const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/pods`, listPods, 'app=js');
const ready = new Set();
const allReady = new Promise((resolve) => {
  informer.on('update', (pod) => {
    const isReady = pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
    if (isReady) ready.add(pod.metadata.name);
    if (ready.size === 2) resolve();
  });
});
await informer.start();
const created = await apps.createNamespacedDeployment({ namespace, body: deployment });
tell('created', { replicas: created.spec.replicas, strategy: created.spec.strategy });
await allReady;
await informer.stop();
tell('ready pods', ready.size);

const pod = [...ready].sort()[0];
const printed = [];
const into = (name) => new Writable({ write(chunk, _, done) { printed.push([name, chunk.toString().trim()]); done(); } });
const status = await new Promise((resolve, reject) => {
  new k8s.Exec(config)
    .exec(namespace, pod, 'nginx', ['sh', '-c', 'echo out; exit 3'], into('stdout'), into('stderr'), null, false, resolve)
    .catch(reject);
});
tell('exec', { printed: printed.filter(([, text]) => text !== ''), status: status.status, message: status.message });

const patch = [{ op: 'replace', path: '/spec/replicas', value: 1 }];
const json = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch);
tell('patched', (await apps.patchNamespacedDeployment({ name: 'js', namespace, body: patch }, json)).spec.replicas);

await refused('created twice', () => apps.createNamespacedDeployment({ namespace, body: deployment }));
await refused('no such pod', () => core.readNamespacedPod({ name: 'nothing', namespace }));
await refused('no containers', () => core.createNamespacedPod({ namespace, body: { metadata: { name: 'p' }, spec: { containers: [] } } }));

const applied = await k8s.KubernetesObjectApi.makeApiClient(config).patch(
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace }, data: { a: 'b' } },
  undefined, undefined, 'session', true, k8s.PatchStrategy.ServerSideApply,
);
tell('applied', { data: applied.data, managers: applied.metadata.managedFields.map((m) => [m.manager, m.operation]) });

await apps.deleteNamespacedDeployment({ name: 'js', namespace });
tell('deleted', 'js');
process.exit(0);
