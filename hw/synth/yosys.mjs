// SPDX-License-Identifier: Apache-2.0
//
// yosys.mjs BUNDLE SCRIPT FILE...: runs the Yosys in BUNDLE (@yowasp/yosys, a WebAssembly program with a file system of
// its own) on SCRIPT, with FILEs there by their last names. What Yosys says goes to standard output; the exit status is
// its own.
//
// Tested by: ./dev bench synth.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';

const [bundle, script, ...sources] = process.argv.slice(2);
const { runYosys, Exit } = await import(pathToFileURL(bundle));

const files = { 'script.ys': await readFile(script) };
for (const source of sources) files[basename(source)] = await readFile(source);

const say = (bytes) => { if (bytes) process.stdout.write(bytes); };
try {
  await runYosys(['-Q', '-s', 'script.ys'], files, { stdout: say, stderr: say, fetchProgress: () => {} });
} catch (error) {
  if (!(error instanceof Exit)) throw error;
  process.exitCode = error.code;
}
