// What nearly all charts of Touchstone are made of; `scatter` is part of the core.
const Plotly = require('plotly.js/lib/core')

Plotly.register([
  require('plotly.js/lib/bar'),
  require('plotly.js/lib/heatmap'),
  require('plotly.js/lib/pie'),
])

module.exports = Plotly
