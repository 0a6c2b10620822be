// Writes plotly-small.min.js and the licenses of what is in it: a plotly.js with the traces of
// small.cjs only, which a browser starts in a sixth of the time of the whole one.
//
//     cd packaging/plotly && npm install && npm run build
//
// The settings are those of plotly.js itself (its esbuild-config.js).
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'
import { environmentPlugin } from 'esbuild-plugin-environment'
import { glsl } from 'esbuild-plugin-glsl'
import inlineCss from 'esbuild-plugin-inline-css'

const ASSETS = new URL('../../pages/ui/assets/', import.meta.url)
const { version } = read('plotly.js')

function read(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url)))
}

function licenseOf(name) {
  const folder = new URL(`node_modules/${name}/`, import.meta.url)
  const { version, license } = read(name)
  const files = readdirSync(folder).filter(file => /^licen[cs]e/i.test(file))
  const text = files.map(file => readFileSync(new URL(file, folder), 'utf-8').trim()).join('\n\n')
  return `── ${name} ${version} (${license}) ──\n\n${text || 'Its package has no text of its license.'}`
}

const { metafile } = await build({
  entryPoints: ['small.cjs'],
  outfile: new URL('plotly-small.min.js', ASSETS).pathname,
  banner: { js: `/* plotly.js v${version}, some traces only; licenses: plotly-small.LICENSE.txt */` },
  format: 'esm',
  bundle: true,
  minify: true,
  metafile: true,
  legalComments: 'none',
  plugins: [inlineCss(), glsl({ minify: true }), environmentPlugin({ NODE_DEBUG: false })],
  alias: { regl: '@plotly/regl', stream: 'stream-browserify' },
  define: { global: 'window', 'define.amd': 'false' },
  target: 'es2020',
})

const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs))
  .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
  .map(([file]) => file.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1])
const names = [...new Set(used.filter(Boolean))].sort()
writeFileSync(new URL('plotly-small.LICENSE.txt', ASSETS), names.map(licenseOf).join('\n\n\n') + '\n')
