// A real load balancer in front of three nodes, with the configuration of deploy/ as it stands: only addresses, ports and
// where nginx writes are replaced.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually } from '../support/deadline.mjs';
import { accepts, freePort, Program } from './program.mjs';

const DEPLOY = new URL('../../../deploy/', import.meta.url);

export const BALANCERS = { nginx, haproxy };

/** Starts one of `BALANCERS` in front of three nodes' ports, stopped when test `t` ends. */
export async function balance(t, kind, ports) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `hubward-${kind}-`));
  const port = await freePort();
  const program = BALANCERS[kind](folder, port, ports);
  t.after(async () => {
    await program.kill();
    fs.rmSync(folder, { recursive: true });
  });
  await program.start(() => accepts(port));
  return new Balancer(kind, folder, program, port, ports);
}

class Balancer {
  constructor(kind, folder, program, port, ports) {
    Object.assign(this, { kind, folder, program, ports });
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Resolves when it sends requests to the node, which has come back. It may not have noticed that it was away. */
  async uses(index) {
    const begin = this.#log().length;
    const isUsed = {
      haproxy: () => this.#log().lastIndexOf(`/node-${index + 1} is UP`) >= this.#log().lastIndexOf(`/node-${index + 1} is DOWN`),
      nginx: async () => {
        await fetch(`${this.url}/health/ready`).catch(() => {});
        return this.#log().indexOf(` 127.0.0.1:${this.ports[index]}`, begin) > 0;
      },
    };
    await eventually(isUsed[this.kind], `${this.kind} to use node ${index + 1}`, 15_000);
  }

  #log() {
    return this.kind === 'haproxy' ? this.program.printed : fs.readFileSync(`${this.folder}/access.log`, 'utf8');
  }
}

function nginx(folder, port, ports) {
  const configuration = replaced('nginx/hubward.conf', [
    ...addresses(ports),
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ['/var/log/nginx/hubward.log', `${folder}/access.log`],
  ]);
  fs.writeFileSync(`${folder}/hubward.conf`, configuration);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`);
  const main = `daemon off; master_process off; pid ${folder}/pid; error_log stderr warn;
events { worker_connections 8192; }
http { ${paths.join(' ')} include ${folder}/hubward.conf; }`;
  fs.writeFileSync(`${folder}/nginx.conf`, main);
  return new Program('nginx', [found('nginx'), '-e', 'stderr', '-p', folder, '-c', `${folder}/nginx.conf`]);
}

function haproxy(folder, port, ports) {
  const configuration = replaced('haproxy/hubward.cfg', [...addresses(ports), ['bind :8080', `bind 127.0.0.1:${port}`]]);
  fs.writeFileSync(`${folder}/hubward.cfg`, configuration);
  fs.writeFileSync(`${folder}/haproxy.cfg`, 'global\n    log stdout format raw local0 notice\n');
  return new Program('HAProxy', [found('haproxy'), '-db', '-f', 'haproxy.cfg', '-f', 'hubward.cfg'], { cwd: folder });
}

const addresses = ports => ports.map((port, index) => [`127.0.0.1:${8081 + index}`, `127.0.0.1:${port}`]);

function replaced(file, replacements) {
  let text = fs.readFileSync(new URL(file, DEPLOY), 'utf8');
  for (const [from, to] of replacements) {
    if (text.split(from).length !== 2) throw new Error(`${file} must have '${from}' exactly once`);
    text = text.replace(from, to);
  }
  return text;
}

/** Debian installs servers where a user's PATH does not look. */
function found(command) {
  const folders = [...process.env.PATH.split(':'), '/usr/sbin', '/usr/local/sbin'];
  const file = folders.map(folder => path.join(folder, command)).find(file => fs.existsSync(file));
  if (!file) throw new Error(`${command} is missing; install it (Debian: apt-get install ${command === 'nginx' ? 'nginx-light' : command})`);
  return file;
}
