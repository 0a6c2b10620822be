// A table of classes with bars: sorted by its headings, searched, and chosen from by click or key.

const SEARCH_FROM = 16
const tables = new WeakMap()

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector('.ts-classes')
  if (!tables.has(root)) tables.set(root, createTable(root))
  tables.get(root)(data, setStateValue)
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

// `first`: 1 where the smallest come first at the first click, else -1.
const COLUMNS = [
  { key: 'name', label: 'Class', width: 'wide', first: 1 },
  { key: 'recall', label: 'Recall', width: 'rest', first: 1 },
  { key: 'recall', label: '', width: 'short' },
  { key: 'precision', label: 'Precision', width: 'middle', first: 1 },
  { key: 'count', label: 'Count', width: 'middle', first: -1 },
]

function createTable(root) {
  const find = element('input', 'find')
  Object.assign(find, { type: 'search', placeholder: 'Find a class' })
  find.setAttribute('aria-label', 'Find a class')
  const scroller = element('div', 'rows'), table = element('table')
  const head = table.createTHead().insertRow(), body = table.createTBody()
  const widths = element('colgroup')
  for (const { width } of COLUMNS) widths.append(element('col', width))
  table.prepend(widths)
  table.setAttribute('aria-label', 'Recall and precision by class')
  scroller.append(table)
  root.append(find, scroller)
  let data = null, send = null, sort = { key: 'worst', way: 1 }

  for (const column of COLUMNS.filter(item => item.label)) {
    const isLeft = column.key === 'name' || column.key === 'recall'
    const cell = element('th', isLeft ? 'text' : '')
    cell.scope = 'col'
    if (column.key === 'recall') cell.colSpan = 2
    const button = element('button', '', column.label)
    button.type = 'button'
    button.onclick = () => {
      const way = sort.key === column.key ? -sort.way : column.first
      sort = { key: column.key, way }
      draw()
      send('sort', `${column.key}${way > 0 ? '' : '-'}`)
    }
    cell.dataset.key = column.key
    cell.append(button)
    head.append(cell)
  }
  find.oninput = draw
  body.onclick = event => choose(event.target.closest('tr'))
  body.onkeydown = event => {
    const row = event.target.closest('tr')
    const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }
    if (event.key === 'Enter' || event.key === ' ') choose(row)
    else if (next[event.key]) next[event.key].focus()
    else return
    event.preventDefault()
  }

  function choose(row) {
    if (row?.dataset.name !== undefined) send('chosen', [row.dataset.name, Date.now()])
  }

  function ordered() {
    const wanted = find.value.trim().toLowerCase()
    const rows = data.rows.filter(row => row.name.toLowerCase().includes(wanted))
    if (sort.key === 'worst') return rows
    const value = row => sort.key === 'name' || sort.key === 'count' ? row[sort.key]
      : row[sort.key].value
    return rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)]
      if (x === null || y === null) return (x === null) - (y === null)
      return sort.way * (typeof x === 'string' ? x.localeCompare(y, 'en', { numeric: true }) : x - y)
    })
  }

  function draw() {
    for (const cell of head.cells) {
      if (cell.dataset.key !== sort.key) cell.removeAttribute('aria-sort')
      else cell.setAttribute('aria-sort', sort.way > 0 ? 'ascending' : 'descending')
    }
    const focused = root.getRootNode().activeElement?.dataset?.name
    const rows = ordered()
    body.replaceChildren(...rows.map(drawRow))
    if (!rows.length) {
      const cell = body.insertRow().insertCell()
      Object.assign(cell, { colSpan: COLUMNS.length, className: 'nothing' })
      cell.textContent = 'No class name contains this text.'
      return
    }
    const kept = [...body.rows].find(row => row.dataset.name === (focused ?? data.chosen))
    ;(kept ?? body.rows[0]).tabIndex = 0
    if (focused !== undefined) kept?.focus({ preventScroll: true })
  }

  function drawRow(item) {
    const row = element('tr')
    row.dataset.name = item.name
    row.tabIndex = -1
    row.setAttribute('aria-selected', item.name === data.chosen)
    row.title = `${item.recall.words}\n${item.precision.words}`
    const name = element('td', 'text', item.name), bar = element('td')
    bar.setAttribute('aria-label', item.recall.words)
    bar.append(drawScale(item.recall))
    row.append(name, bar, element('td', '', item.recall.shown),
      element('td', '', item.precision.shown), element('td', '', item.count.toLocaleString('en')))
    return row
  }

  function drawScale({ value, low, high }) {
    const scale = element('span', 'scale')
    if (value === null) return scale
    const bar = element('span', 'bar'), whisker = element('span', 'whisker')
    bar.style.width = 100 * value + '%'
    whisker.style.left = 100 * low + '%'
    whisker.style.width = 100 * (high - low) + '%'
    scale.append(bar, whisker)
    return scale
  }

  return (received, report) => {
    data = received
    send = report
    find.hidden = data.rows.length < SEARCH_FROM
    const key = data.sort.replace(/-$/, '')
    sort = { key, way: data.sort.endsWith('-') ? -1 : 1 }
    draw()
  }
}
