// Invocations that go from the server to a client and back.
import { Scenarios, open } from './scenario.mjs';

export const scenarios = new Scenarios();

scenarios.eachPipe('ask: a client answers', async (trace, pipe) => {
  const asker = await open(trace, pipe);
  const asked = await open(trace, pipe);
  await asker.invoke('Ask', [asked.connectionId, 'why?'], { id: '1' });
  const [question] = await asked.take();
  trace.record('question', {
    target: question.target,
    arguments: question.arguments,
    hasId: typeof question.invocationId === 'string' && question.invocationId.length > 0,
  });
  await asked.complete(question.invocationId, { result: 'because' });
  await asker.next();
});

scenarios.eachProtocol('ask: a client answers with an error', async (trace, protocol) => {
  const asker = await open(trace, protocol);
  const asked = await open(trace, protocol);
  await asker.invoke('Ask', [asked.connectionId, 'why?'], { id: '1' });
  const [question] = await asked.take();
  await asked.complete(question.invocationId, { error: 'no idea' });
  await asker.next();
});

scenarios.eachProtocol('ask: nobody is there', async (trace, protocol) => {
  const asker = await open(trace, protocol);
  await asker.call('Ask', ['nobody', 'why?']);
});

scenarios.eachProtocol('ask: the caller itself', async (trace, protocol) => {
  const asker = await open(trace, protocol);
  await asker.invoke('Ask', [asker.connectionId, 'why?'], { id: '1' });
  const [question] = await asker.take();
  await asker.complete(question.invocationId, { result: 'me' });
  await asker.next();
});

scenarios.eachProtocol('ask: an answer that nobody waits for is ignored', async (trace, protocol) => {
  const asker = await open(trace, protocol);
  await asker.complete('77', { result: 'x' });
  await asker.call('Echo', ['still here']);
});

scenarios.eachProtocol('ask: the client leaves', async (trace, protocol) => {
  const asker = await open(trace, protocol);
  const asked = await open(trace, protocol);
  await asker.invoke('Ask', [asked.connectionId, 'why?'], { id: '1' });
  await asked.take();
  asked.close();
  await asker.next();
});
