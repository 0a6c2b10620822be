// A Plotly chart in the colours of the page's theme, which keeps its zoom when its data changes,
// whose cells can be clicked, tapped and reached by arrow keys, whose points can be selected, and
// which is saved as an image or as the table behind it.

const CLICK_PX = 6  // a pointer that moved further was dragging
const HIDDEN_BUTTONS = ['sendChartToCloud', 'toImage', 'autoScale2d']
const TITLE_PX = 40  // above a saved image
const NARROW_PX = 420  // of a chart on a phone
const LINE_PX = 18  // of a legend

const listening = new WeakSet()
const libraries = new Map()  // address -> promise of a plotly.js

export default function ({ data, parentElement, setStateValue }) {
  const chart = parentElement.querySelector('.ts-chart')
  const figure = JSON.parse(data.figure)
  chart.style.minHeight = (figure.layout.height ?? 300) + 'px'
  chart.source = data.figure
  chart.options = {
    responsive: true,
    displaylogo: false,
    displayModeBar: data.select,
    scrollZoom: data.select || data.zoom,
    modeBarButtonsToRemove: HIDDEN_BUTTONS,
  }
  if (!chart.hasAttribute('role')) chart.setAttribute('role', 'group')
  chart.setAttribute('aria-label', data.description)
  if (data.cell) chart.cell = data.cell
  chart.grid = data.grid
  // This runs again for each new figure; what listened to the last one must not listen twice.
  chart.listeners?.abort()
  chart.listeners = new AbortController()
  const { signal } = chart.listeners
  const probe = parentElement.querySelector('.ts-probe')
  probe.addEventListener('transitionend', () => chart.plotly && draw(chart), { signal })
  offerSaving(chart, figure.layout.meta, signal)
  loadPlotly(data.library, data.libraryIsModule).then(async plotly => {
    if (!chart.isConnected) return
    if (chart.plotly !== plotly) chart.plotly?.purge(chart)
    chart.plotly = plotly
    await draw(chart)
    widths.observe(chart)
    if (listening.has(chart)) return
    if (data.grid) listenToCells(chart, cell => setStateValue('cell', cell))
    if (data.select) listenToSelection(chart, chosen => setStateValue('chosen', chosen))
  })
  return () => {
    chart.listeners.abort()
    widths.unobserve(chart)
    chart.plotly?.purge(chart)
  }
}

function draw(chart) {
  const figure = coloured(chart, chart.source)
  figure.layout.uirevision ??= 'keep'
  if (chart.clientWidth && chart.clientWidth < NARROW_PX) stackLegend(figure.layout)
  figure.data.push(...figure.data.filter(trace => trace.texttemplate && trace.colorscale).map(figures))
  return chart.plotly.react(chart, figure.data, figure.layout, chart.options)
}

// On a phone a legend with its title in one line would leave the chart.
function stackLegend({ legend, margin }) {
  if (!legend?.title?.text || !margin?.t) return
  legend.title.side = 'top'
  margin.t += LINE_PX
}

// The small one is a module, and may have been fetched ahead; the whole one is a script.
async function loadPlotly(url, isModule) {
  // Why the whole address: this code has none of its own that another could be relative to.
  if (isModule) return (await import(new URL(url, document.baseURI))).default
  if (!libraries.has(url)) libraries.set(url, new Promise((resolve, reject) => {
    const script = document.createElement('script')
    script.src = url
    script.onload = () => resolve(window.Plotly)
    script.onerror = reject
    document.head.append(script)
  }))
  return libraries.get(url)
}

// A figure with the values that its colour variables have on this page now.
function coloured(chart, text) {
  const probe = chart.parentElement.querySelector('.ts-colour'), values = {}
  return JSON.parse(text.replace(/"var\((--ts-[\w-]+)\)"/g,
    (_, name) => `"${values[name] ??= valueOf(probe, name)}"`))
}

// The figures in the cells of a matrix as a trace of their own, each white or black, whichever stands
// out more. Why not Plotly's: its gray on middle tones has a contrast of less than 3.
function figures(matrix) {
  const cells = matrix.z.flatMap((row, y) => row.map((value, x) => ({ x, y, value })))
  const channels = color => color.match(/[\d.]+/g).slice(0, 3).map(Number)
  const stops = matrix.colorscale.map(([at, color]) => [at, channels(color)])
  const ink = ({ value }) => {
    const at = (value - matrix.zmin) / (matrix.zmax - matrix.zmin)
    const next = Math.max(1, stops.findIndex(([position]) => position >= at))
    const [[low, from], [high, to]] = [stops[next - 1], stops[next]]
    const part = high > low ? Math.min(1, Math.max(0, (at - low) / (high - low))) : 0
    return luminance(from.map((channel, i) => channel + part * (to[i] - channel))) > .18 ? '#000' : '#fff'
  }
  const trace = {
    type: 'scatter', mode: 'text', hoverinfo: 'skip', showlegend: false, cliponaxis: true,
    x: cells.map(cell => matrix.x[cell.x]), y: cells.map(cell => matrix.y[cell.y]),
    text: cells.map(cell => matrix.text[cell.y][cell.x]),
    textfont: { ...matrix.textfont, color: cells.map(ink) },
  }
  delete matrix.texttemplate
  return trace
}

// As WCAG 2 defines it.
function luminance(channels) {
  const [red, green, blue] = channels.map(channel => channel / 255)
    .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
  return .2126 * red + .7152 * green + .0722 * blue
}

function valueOf(probe, name) {
  probe.style.color = `var(${name})`
  const value = getComputedStyle(probe).color
  // Plotly reads no `color(srgb 0.2 0.4 0.6 / 0.5)`, which mixed colours become.
  const [red, green, blue, alpha = 1] = value.match(/-?[\d.]+(e-?\d+)?/g).map(Number)
  const scale = value.startsWith('color(') ? 255 : 1
  const channels = [red, green, blue].map(channel => Math.round(channel * scale))
  return `rgba(${channels.join(',')},${alpha})`
}

// Plotly follows the window only, but folding the menu away widens the page as well.
const widths = new ResizeObserver(entries => {
  for (const { target: chart } of entries) {
    const drawn = chart._fullLayout?.width, width = chart.clientWidth
    if (drawn && width && Math.abs(width - drawn) > 1) chart.plotly.Plots.resize(chart)
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

// ── Saving ──────────────────────────────────────────────────────────────────────────────────────

// The button over a chart, and its menu.
function offerSaving(chart, meta, signal) {
  const button = chart.parentElement.querySelector('.ts-save')
  const menu = chart.parentElement.querySelector('.ts-menu')
  button.hidden = !meta
  if (!meta) return
  const items = [...menu.querySelectorAll('button')]
  const on = (target, name, act) => target.addEventListener(name, act, { signal })
  button.title = 'Save chart'
  button.setAttribute('aria-label', `Save chart: ${meta.title}`)
  menu.setAttribute('aria-label', `Save chart: ${meta.title}`)
  on(button, 'click', () => {
    menu.showPopover()
    const { right, bottom } = button.getBoundingClientRect()
    menu.style.left = `${Math.max(8, right - menu.offsetWidth)}px`
    menu.style.top = `${Math.min(bottom + 4, window.innerHeight - menu.offsetHeight - 8)}px`
    items[0].focus()
  })
  on(menu, 'toggle', event => {
    button.setAttribute('aria-expanded', String(event.newState === 'open'))
  })
  on(menu, 'keydown', event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (event.key === 'Tab') return menu.hidePopover()
    if (!step) return
    event.preventDefault()
    const at = items.indexOf(document.activeElement) + step
    items[(at + items.length) % items.length].focus()
  })
  for (const item of items) on(item, 'click', () => {
    menu.hidePopover()
    button.focus()
    const { format, delimiter = ',' } = item.dataset
    const name = fileName([meta.of, meta.title].filter(Boolean).join(' '))
    if (format === 'csv') return saveTable(meta.table, name, delimiter)
    const title = [meta.title, meta.of].filter(Boolean).join(' · ')
    return chart.plotly && saveImage(chart, title, format, name)
  })
}

function fileName(title) {
  const words = title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '')
  return `touchstone-${words}`
}

// As it is on the page, zoom included, on the ground of its theme and with its name above.
async function saveImage(chart, title, format, name) {
  const { width, height, margin } = chart._fullLayout
  const probe = chart.parentElement.querySelector('.ts-colour')
  const layout = {
    ...chart.layout,
    paper_bgcolor: valueOf(probe, '--ts-background'),
    margin: { ...chart.layout.margin, t: margin.t + TITLE_PX },
    title: { text: title, x: 0, xref: 'container', xanchor: 'left', pad: { l: 12, t: 12 },
      y: 1, yref: 'container', yanchor: 'top', font: { size: 15 } },
  }
  const size = { width, height: height + TITLE_PX }
  const address = await chart.plotly.toImage(
    { data: chart.data, layout: { ...layout, ...size } },
    { format, ...size, scale: format === 'png' ? 2 : 1 })
  download(address, `${name}.${format}`)
}

// Texts that a spreadsheet program would run were made safe on the server.
function saveTable(columns, name, delimiter) {
  const quoted = cell => {
    const text = cell === null || cell === undefined ? '' : String(cell)
    return /["\r\n,;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  const line = cells => cells.map(quoted).join(delimiter) + '\r\n'
  const rows = (columns[0]?.[1] ?? []).map((_, row) => columns.map(([, cells]) => cells[row]))
  const text = '\ufeff' + line(columns.map(([title]) => title)) + rows.map(line).join('')
  const address = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }))
  download(address, `${name}.csv`)
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

function download(address, name) {
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
}
