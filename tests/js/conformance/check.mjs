#!/usr/bin/env node
// Follows the steps of every scenario against running nodes, and compares what comes back with answers.json.
//   node conformance/check.mjs --url http://…[,http://…] [--spread connections|requests] [--only TEXT]
// It starts no server. With several nodes, connections stay where they negotiated, or every request goes to the next.
// Prints a line for each scenario that fails and, last, 'N passed, N failed'.
import fs from 'node:fs';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { scenarios } from './scenarios/all.mjs';
import { Trace } from './trace.mjs';

/** Side by side: enough to keep a run short, few enough that a node under test is not starved of its cores. */
const JOBS = 8;
/** Longer than any scenario's own waits together. */
const SCENARIO_MILLISECONDS = 30_000;
const SHOWN_CHARACTERS = 800;

const { nodes, spread, only } = options();
const answers = JSON.parse(fs.readFileSync(new URL('answers.json', import.meta.url), 'utf8'));
const chosen = scenarios.filter(({ name }) => name.includes(only));
await Promise.all(nodes.map(mustRespond));

let failed = 0;
await inParallel(
  chosen.filter(scenario => !scenario.alone),
  JOBS,
);
await inParallel(
  chosen.filter(scenario => scenario.alone),
  1,
);
console.log(`${chosen.length - failed} passed, ${failed} failed`);
process.exit(failed || !chosen.length ? 1 : 0);

function options() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string', default: process.env.HUBWARD_URLS ?? 'http://127.0.0.1:8080' },
        spread: { type: 'string', default: 'connections' },
        only: { type: 'string', default: '' },
      },
    });
    if (!['connections', 'requests'].includes(values.spread))
      throw new Error(`no such spread: ${values.spread}`);
    return { nodes: values.url.split(','), spread: values.spread, only: values.only };
  } catch (error) {
    console.error(
      `${error.message}\nusage: check.mjs --url URL[,URL] [--spread connections|requests] [--only TEXT]`,
    );
    process.exit(2);
  }
}

async function mustRespond(node) {
  await fetch(node).catch(() => {
    console.error(`no server at ${node}`);
    process.exit(2);
  });
}

async function inParallel(list, jobs) {
  const waiting = [...list];
  const worker = async () => {
    for (let scenario = waiting.shift(); scenario; scenario = waiting.shift()) await check(scenario);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

async function check({ name, run }) {
  const difference = firstDifference(answers[name], await follow(run));
  if (!difference) return;
  failed++;
  console.log(`FAILED ${name}: ${difference}`);
}

/** The server's answers; a scenario that cannot be followed records why. */
async function follow(run) {
  const trace = new Trace(nodes, spread);
  const late = new AbortController();
  const tooLate = sleep(SCENARIO_MILLISECONDS, null, late).then(() => {
    throw new Error(`no end in ${SCENARIO_MILLISECONDS} ms`);
  });
  await Promise.race([run(trace), tooLate]).catch(error => trace.record('failed', { error: error.message }));
  tooLate.catch(() => {});
  late.abort();
  return trace.finish();
}

function firstDifference(wanted, got) {
  if (!wanted) return 'it has no recorded answer';
  for (let step = 0; step < Math.max(wanted.length, got.length); step++)
    if (!isDeepStrictEqual(wanted[step], got[step]))
      return `step ${step + 1}\n  wanted ${shown(wanted[step])}\n  got    ${shown(got[step])}`;
}

function shown(event) {
  const text = JSON.stringify(event) ?? 'nothing';
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
