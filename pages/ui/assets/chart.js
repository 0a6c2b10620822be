// A Plotly chart that keeps its zoom when its data changes, whose cells can be clicked, tapped and
// reached by arrow keys, and whose points can be selected.

const CLICK_PX = 6  // a pointer that moved further was dragging
const HIDDEN_BUTTONS = ['sendChartToCloud', 'toImage', 'autoScale2d']

const listening = new WeakSet()
let library = null

export default function ({ data, parentElement, setStateValue }) {
  const chart = parentElement.querySelector('.ts-chart')
  const figure = JSON.parse(data.figure)
  figure.layout.uirevision ??= 'keep'
  chart.style.minHeight = (figure.layout.height ?? 300) + 'px'
  loadPlotly(data.library).then(async Plotly => {
    await Plotly.react(chart, figure.data, figure.layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: data.select,
      scrollZoom: data.select || data.zoom,
      modeBarButtonsToRemove: HIDDEN_BUTTONS,
    })
    chart.setAttribute('aria-label', data.description)
    widths.observe(chart)
    if (data.cell) chart.cell = data.cell
    chart.grid = data.grid
    if (listening.has(chart)) return
    if (data.grid) listenToCells(chart, cell => setStateValue('cell', cell))
    if (data.select) listenToSelection(chart, chosen => setStateValue('chosen', chosen))
  })
  return () => {
    widths.unobserve(chart)
    window.Plotly?.purge(chart)
  }
}

function loadPlotly(url) {
  return library ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly)
    const script = document.createElement('script')
    script.src = url
    script.onload = () => resolve(window.Plotly)
    script.onerror = reject
    document.head.append(script)
  })
}

// Plotly follows the window only, but folding the menu away widens the page as well.
const widths = new ResizeObserver(entries => {
  for (const { target: chart } of entries) {
    const drawn = chart._fullLayout?.width, width = chart.clientWidth
    if (drawn && width && Math.abs(width - drawn) > 1) window.Plotly.Plots.resize(chart)
  }
})

function listenToCells(chart, report) {
  listening.add(chart)
  chart.tabIndex = 0
  chart.setAttribute('role', 'application')
  // The time makes every click an event, also one on the cell that is open already.
  const choose = ([row, column]) => {
    chart.cell = [row, column]
    report([row, column, Date.now()])
  }
  chart.addEventListener('keydown', event => {
    if (!event.key.startsWith('Arrow')) return
    event.preventDefault()
    choose(neighbour(chart, event.key))
  })
  // Plotly covers the page while a button is pressed, so the release is awaited on the window.
  chart.addEventListener('pointerdown', down => window.addEventListener('pointerup', up => {
    if (up.pointerId !== down.pointerId) return
    if (Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY) > CLICK_PX) return
    const cell = cellAt(chart, up)
    if (cell) choose(cell)
  }, { once: true, capture: true }))
}

function neighbour(chart, key) {
  const [rows, columns] = chart.grid
  const [row, column] = chart.cell ?? (columns > 1 ? [0, -1] : [-1, 0])
  const clamp = (value, count) => Math.max(0, Math.min(count - 1, value))
  return [clamp(row + (key === 'ArrowDown') - (key === 'ArrowUp'), rows),
    clamp(column + (key === 'ArrowRight') - (key === 'ArrowLeft'), columns)]
}

function cellAt(chart, { clientX, clientY }) {
  const { xaxis, yaxis } = chart._fullLayout, box = chart.getBoundingClientRect()
  const [rows, columns] = chart.grid
  const row = Math.round(yaxis.p2d(clientY - box.top - yaxis._offset))
  const column = columns > 1 ? Math.round(xaxis.p2d(clientX - box.left - xaxis._offset)) : 0
  const isInside = row >= 0 && column >= 0 && row < rows && column < columns
  return isInside ? [row, column] : null
}

// A drawn selection is reported with the sample ids that the points carry.
function listenToSelection(chart, report) {
  listening.add(chart)
  chart.on('plotly_selected', event => {
    if (event?.points) report({ ids: event.points.map(point => point.customdata) })
  })
  chart.on('plotly_deselect', () => report(null))
}
