// `make demo`, where it can't.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { program, root, run } from '../support/vidpipeline.mjs';

test('the demo does not take another server on its port for its own', { timeout: 60_000 }, async (t) => {
  const asked = [];
  const other = http.createServer((request, answer) => {
    asked.push(request.url);
    answer.setHeader('Content-Type', 'application/json').end('[]');
  });
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const environment = { ...process.env, PORT: String(other.address().port), EXIT: '1' };
  await assert.rejects(run(path.join(root, 'scripts/demo.sh'), [program], { env: environment }), (problem) => {
    assert.equal(problem.code, 1);
    assert.match(problem.stdout, /cannot listen on/);
    return true;
  });
  assert.deepEqual(asked, []);
});
