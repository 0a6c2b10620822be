// A page of images that can be selected, opened and relabelled by keyboard.
// Every edit is sent at once to the server, beside Streamlit: a rerun can be dropped, an edit not.

const sessions = new WeakMap()

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function keyOf(index) {
  return index < 9 ? String(index + 1) : index < 18 ? '⇧' + (index - 8) : ''
}

function start(root) {
  const part = name => root.querySelector('.' + name)
  const S = { selected: new Set(), queue: [], flying: false, anchor: null, open: null, turn: 0,
              items: [], data: null, send: null }
  const grid = part('grid'), dialog = part('large'), status = part('status')
  const item = key => S.items.find(one => one.key === key)
  const tile = key => grid.querySelector(`[data-key="${CSS.escape(key)}"]`)
  const focused = () => S.open ?? root.getRootNode().activeElement?.dataset?.key ?? null
  const chosen = () => S.open ? [S.open]
    : S.selected.size ? S.items.map(i => i.key).filter(k => S.selected.has(k))
    : focused() ? [focused()] : []
  const say = (text, wrong) => { status.textContent = text; status.dataset.wrong = wrong ? '1' : '' }

  // ---- edits: one request at a time, what is pressed meanwhile waits for the next one
  async function flush() {
    if (S.flying || !S.queue.length) return
    S.flying = true
    const batch = S.queue.splice(0)
    try {
      const answer = await post(batch)
      if (answer.error) say(answer.error, true)
      else say(answer.messages.join(' · '), answer.failed)
      for (const [key, now] of Object.entries(answer.states ?? {})) Object.assign(item(key) ?? {}, now)
      S.version = answer.version ?? S.version
      paint()
      if (S.open) fill()
    } catch {
      // An undo is not repeated: it may have been done before the connection was lost.
      S.queue.unshift(...batch.filter(edit => edit.action !== 'undo'))
      say('No connection. ' + S.queue.length + ' changes wait and are sent again.', true)
      await new Promise(done => setTimeout(done, 1500))
    }
    S.flying = false
    if (S.queue.length) return flush()
    clearTimeout(S.refresh)
    S.refresh = setTimeout(() => S.send('edited', S.version ?? 0), 700)
  }
  async function post(batch) {
    const response = await fetch('/datasets/' + encodeURIComponent(S.data.dataset) + '/edits', {
      method: 'POST', keepalive: true,
      headers: { 'content-type': 'application/json', [S.data.header]: '1' },
      body: JSON.stringify({ edits: batch, shown: S.items.map(one => Number(one.key)) }),
    })
    return response.json()
  }
  function edit(action, more = {}) {
    const keys = action === 'undo' ? [] : chosen()
    if (action !== 'undo' && !keys.length) return say('Select an image first.', true)
    S.queue.push({ action, ids: keys.map(Number), ...more })
    for (const key of keys) {
      const one = item(key)
      if (action === 'relabel') one.title = more.class_name
      if (action === 'exclude') one.excluded = true
      if (action === 'restore') one.excluded = false
      one.changed = true
    }
    paint()
    flush()
  }
  const relabel = index => {
    if (S.data.classes[index] !== undefined) edit('relabel', { class_name: S.data.classes[index] })
  }
  addEventListener('pagehide', () => { if (S.queue.length) post(S.queue.splice(0)) })

  // ---- the grid
  function build() {
    const keep = root.getRootNode().activeElement?.dataset?.key
    grid.replaceChildren(...S.items.map(one => {
      const box = element('div', 'tile')
      box.setAttribute('role', 'option')
      box.tabIndex = -1
      box.dataset.key = one.key
      box.title = one.hint
      const frame = element('span', 'frame')
      const image = element('img')
      Object.assign(image, { loading: 'lazy', decoding: 'async', alt: '', src: one.url })
      image.onerror = () => { image.remove(); frame.textContent = 'file missing' }
      const mark = element('span', 'mark')
      mark.setAttribute('aria-hidden', 'true')
      frame.append(image)
      box.append(mark, frame, element('span', 'title'), element('span', 'detail', one.detail))
      return box
    }))
    for (const key of S.selected) if (!item(key)) S.selected.delete(key)
    paint()
    const first = S.items[S.turn < 0 ? S.items.length - 1 : 0]?.key
    const next = keep && item(keep) ? keep : first
    if (next) tile(next).tabIndex = 0
    if (keep && next) tile(next).focus({ preventScroll: true })
    if (S.open) { if (!item(S.open)) S.open = first ?? null; S.open ? fill() : dialog.close() }
    S.turn = 0
  }
  function paint() {
    for (const one of S.items) {
      const box = tile(one.key), on = S.selected.has(one.key)
      if (!box) continue
      box.setAttribute('aria-selected', on)
      box.setAttribute('aria-label',
        [one.title, one.detail, one.excluded ? 'excluded' : ''].filter(Boolean).join(', '))
      box.dataset.excluded = one.excluded ? '1' : ''
      box.dataset.changed = one.changed ? '1' : ''
      box.querySelector('.title').textContent = one.title
    }
    part('count').textContent = S.selected.size ? S.selected.size + ' selected' : ''
    part('actions').dataset.on = S.selected.size ? '1' : ''
    part('summary').textContent = S.selected.size ? '' : S.data.summary
    const out = S.items.filter(one => S.selected.has(one.key)).map(one => one.excluded)
    root.querySelector('[data-action=exclude]').hidden = out.every(Boolean)
    root.querySelector('[data-action=restore]').hidden = !out.some(Boolean)
  }
  function toggle(key, on = !S.selected.has(key)) {
    on ? S.selected.add(key) : S.selected.delete(key)
    S.anchor = key
    paint()
  }
  function range(key) {
    const keys = S.items.map(one => one.key)
    const [a, b] = [keys.indexOf(S.anchor ?? key), keys.indexOf(key)].sort((x, y) => x - y)
    for (const one of keys.slice(Math.max(a, 0), b + 1)) S.selected.add(one)
    paint()
  }
  function all(on) { S.items.forEach(one => on ? S.selected.add(one.key) : S.selected.delete(one.key)); paint() }
  function focus(key) {
    grid.querySelectorAll('[tabindex="0"]').forEach(box => { box.tabIndex = -1 })
    const box = tile(key)
    box.tabIndex = 0
    box.focus()
  }
  function columns() {
    return getComputedStyle(grid).gridTemplateColumns.split(' ').length
  }
  function move(step) {
    const at = S.items.findIndex(one => one.key === focused()), to = at + step
    if (at < 0) return
    if (to < 0 || to >= S.items.length) {
      if (Math.abs(step) > 1 && !S.open) return
      const turn = Math.sign(step), page = S.data.page + turn
      if (page < 1 || page > S.data.pages || S.turn) return
      S.turn = turn
      return S.send('turn', page)
    }
    if (S.open) { S.open = S.items[to].key; fill() } else focus(S.items[to].key)
  }

  // ---- the large view
  function open(key) {
    S.open = key
    if (!dialog.open) dialog.showModal()
    fill()
  }
  async function fill() {
    const one = item(S.open), image = part('picture'), at = S.items.indexOf(one)
    if (image.getAttribute('src') !== one.full) { image.src = one.full; image.alt = one.detail }
    part('heading').textContent = one.title + (one.excluded ? ' (excluded)' : '')
    part('place').textContent = (S.data.first + at).toLocaleString('en') + ' of ' + S.data.total.toLocaleString('en')
    const key = S.open, response = await fetch('/pictures/' + encodeURIComponent(key) + '/facts')
    if (!response.ok || S.open !== key) return
    const facts = await response.json()
    if (S.open !== key) return
    part('facts').replaceChildren(...facts.rows.flatMap(([name, value]) =>
      [element('dt', '', name), element('dd', '', value)]))
    part('history').replaceChildren(...facts.history.map(line => element('li', '', line)))
    part('past').hidden = !facts.history.length
  }
  dialog.addEventListener('close', () => {
    const key = S.open
    S.open = null
    if (key && tile(key)) focus(key)
  })

  // ---- pointer and keys
  grid.onclick = event => {
    const box = event.target.closest('.tile')
    if (!box) return
    const key = box.dataset.key
    if (event.shiftKey) { range(key); focus(key) }
    else if (event.ctrlKey || event.metaKey || event.target.closest('.mark')) { toggle(key); focus(key) }
    else { focus(key); open(key) }
  }
  grid.onmousedown = event => { if (event.shiftKey) event.preventDefault() }
  part('tools').onclick = event => {
    const action = event.target.closest('button')?.dataset.action
    if (action === 'all') all(true)
    if (action === 'none') all(false)
    if (action === 'exclude' || action === 'restore') edit(action)
    if (action === 'undo') edit('undo')
    if (action === 'group') edit('group', { group: part('group').value.trim() })
  }
  part('move').onchange = event => {
    if (event.target.value !== '') relabel(Number(event.target.value))
    event.target.value = ''
  }
  dialog.onclick = event => {
    if (event.target === dialog || event.target.closest('.close')) dialog.close()
    if (event.target.closest('.previous')) move(-1)
    if (event.target.closest('.next')) move(1)
  }
  root.onkeydown = event => {
    if (event.target.closest('input, select') || event.altKey) return
    const command = event.ctrlKey || event.metaKey, digit = /^Digit([1-9])$/.exec(event.code)
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() }
    const onTile = S.open || event.target.closest('.tile')
    const key = event.key.toLowerCase()
    if (command && key === 'z') edit('undo')
    else if (command && key === 'a' && onTile && !S.open) all(true)
    else if (command) return
    else if (digit && onTile) relabel(Number(digit[1]) - 1 + (event.shiftKey ? 9 : 0))
    else if (/^[1-9]$/.test(event.key) && onTile) relabel(Number(event.key) - 1)
    else if (event.key in steps && onTile) move(S.open ? Math.sign(steps[event.key]) : steps[event.key])
    else if (key === 'x' && onTile) edit(chosen().every(k => item(k).excluded) ? 'restore' : 'exclude')
    else if (key === 'u') edit('undo')
    else if (event.key === 'Enter' && onTile && !S.open) open(focused())
    else if (event.key === ' ' && onTile && !S.open) event.shiftKey ? range(focused()) : toggle(focused())
    else if (event.key === 'Escape' && S.open) dialog.close()
    else if (event.key === 'Escape' && S.selected.size) all(false)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  function legend() {
    const entry = (key, words) => {
      const line = element('span', 'entry')
      line.append(element('kbd', '', key), ' ' + words)
      return line
    }
    const lines = () => [
      ...S.data.classes.slice(0, 18).map((name, index) => entry(keyOf(index), name)),
      entry('← ↑ ↓ →', 'move'), entry('Space', 'select'), entry('Enter', 'large view'),
      entry('X', 'exclude / bring back'), entry('U', 'undo'), entry('Esc', 'close')]
    root.querySelectorAll('.legend').forEach(list => list.replaceChildren(...lines()))
    part('move').replaceChildren(new Option('Move to class …', ''),
      ...S.data.classes.map((name, index) => new Option(name, index)))
  }
  function prepareNext() {
    // The thumbnails of the following page are made on the server and kept by the browser.
    clearTimeout(S.ahead)
    S.ahead = setTimeout(() => S.data.ahead.forEach(url => {
      Object.assign(new Image(), { fetchPriority: 'low', src: url })
    }), 600)
  }
  return (data, send) => {
    S.send = send
    if (S.signature !== data.signature || S.page !== data.page) {
      const other = S.data?.dataset !== data.dataset
      S.data = data
      if (S.flying || S.queue.length) return  // the answer brings a newer state than this one
      S.signature = data.signature
      S.page = data.page
      S.items = data.items.map(one => ({ ...one }))
      root.style.setProperty('--side', data.side + 'px')
      if (other) { S.selected.clear(); say('') }
      legend()
      build()
      prepareNext()
    } else S.data = data
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.ts-pictures')
  if (!sessions.has(root)) sessions.set(root, start(root))
  sessions.get(root)(data, setTriggerValue)
}
