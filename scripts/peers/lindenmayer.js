// Derive the system of scripts/bench_grammar.py with lindenmayer.js; print one JSON line.
//
//     node lindenmayer.js FOLDER MODULES RUNS      FOLDER: where the package lies
//
// Modules are objects with a symbol and named parameters, rules are functions, as the package's documentation has it.
// Of its ways this was the fastest; brackets, which have no parameters, are two shared objects. Every run draws anew.
'use strict'
const [folder, wanted, runs] = process.argv.slice(2)
const LSystem = require(folder)

const OPEN = { symbol: '[' }
const CLOSE = { symbol: ']' }

function grow ({ part: { l, w } }) {
  if (!(l > 1e-4)) return false
  const child = () => ({ symbol: 'A', l: l * 0.9, w: w * 0.7 })
  return Math.random() < 0.7
    ? [{ symbol: '!', w }, { symbol: 'F', l }, OPEN, { symbol: '+', angle: 30 }, child(), CLOSE,
        { symbol: '/', angle: 137.5 }, child()]
    : [{ symbol: '!', w }, { symbol: 'F', l }, child()]
}

function run (least) {
  const system = new LSystem({
    axiom: [{ symbol: 'A', l: 1, w: 0.1 }], productions: { A: grow }, allowClassicSyntax: false
  })
  const began = process.hrtime.bigint()
  while (system.getRaw().length < least) system.iterate()
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  const count = (symbol) => system.getRaw().reduce((sum, part) => sum + (part.symbol === symbol), 0)
  return { modules: system.getRaw().length, seconds, rewritten: count('F'), branched: count('[') }
}

run(Number(wanted)) // warms the compiler, is not counted
console.log(JSON.stringify(Array.from({ length: Number(runs) }, () => run(Number(wanted)))))
