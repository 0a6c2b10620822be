// Images as tiles, in two kinds. Plain tiles are buttons: a click opens one.
// Editable tiles are selected and relabelled by keyboard. Every edit is sent to the server at once,
// beside Streamlit: a rerun can be dropped, an edit must not be.
// Both open the image dialog (viewer.js) by events of the window.

const REFRESH_MS = 700
const PREPARE_MS = 600
const RETRY_MS = 1500
const KEYED_CLASSES = 18

const galleries = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.ts-images')
  root.style.setProperty('--side', data.side + 'px')
  if (!galleries.has(root)) {
    galleries.set(root, data.editing ? createEditor(root) : createPlain(root))
  }
  galleries.get(root)(data, setTriggerValue)
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

// ---- tiles of both kinds

function createTile(item, tag) {
  const tile = element(tag, 'tile')
  const frame = element('span', 'frame')
  if (item.url) {
    const image = element('img')
    image.onerror = () => { image.remove(); frame.textContent = 'file missing' }
    Object.assign(image, { loading: 'lazy', decoding: 'async', alt: '', src: item.url })
    frame.append(image)
  } else {
    frame.textContent = 'cannot be read'
  }
  tile.dataset.key = item.key
  if (item.icon) {
    const badge = element('span', 'badge', item.icon)
    badge.setAttribute('aria-hidden', 'true')
    frame.append(badge)
  }
  tile.append(frame, element('span', 'title'), element('span', 'detail'))
  return tile
}

function describe(tile, item) {
  tile.title = item.hint
  tile.querySelector('.title').textContent = item.title
  tile.querySelector('.detail').textContent = item.detail
  outline(tile.querySelector('.frame'), item.outline)
}

// A region of the image, as left, top, width and height in percent.
function outline(frame, region) {
  const shown = frame.querySelector('.outline')
  if (!region) return shown?.remove()
  const box = shown ?? frame.appendChild(element('span', 'outline'))
  const names = ['left', 'top', 'width', 'height']
  names.forEach((name, i) => { box.style[name] = region[i] + '%' })
}

// One tile per item, in their order. A tile that is there already is only moved, so that its
// thumbnail is not loaded again, and keeps the focus.
function placeTiles(grid, items, create) {
  const focused = grid.getRootNode().activeElement
  const present = new Map([...grid.children].map(tile => [tile.source, tile]))
  const tiles = items.map(item => {
    const source = JSON.stringify([item.key, item.url])
    const tile = present.get(source) ?? create(item)
    present.delete(source)
    tile.source = source
    return tile
  })
  if (tiles.length === grid.children.length && tiles.every((t, i) => t === grid.children[i])) return
  grid.replaceChildren(...tiles)
  if (focused?.isConnected && grid.contains(focused)) focused.focus({ preventScroll: true })
}

// What the image dialog tells a gallery about itself.
const heard = (name, act) => addEventListener('touchstone-' + name, event => act(event.detail))
const openDialog = (viewing, key, opener) =>
  dispatchEvent(new CustomEvent('touchstone-open', { detail: { viewing, key, opener } }))

// ---- plain tiles

function createPlain(root) {
  let viewing = null, send = null
  const tileOf = key => grid.querySelector(`[data-key="${CSS.escape(key)}"]`)
  const isMine = detail => root.isConnected && detail.viewing?.id === viewing?.id
  const grid = element('div', 'grid')
  grid.setAttribute('role', 'group')
  grid.setAttribute('aria-label', 'Images')
  root.append(grid)
  heard('closed', detail => {
    const tile = isMine(detail) && tileOf(detail.key)
    if (!tile) return
    detail.isTaken = true
    tile.focus()
  })
  heard('act', detail => { if (isMine(detail)) send('open', detail.key) })
  return (data, sendValue) => {
    const { items } = data
    viewing = data.viewing
    send = sendValue
    placeTiles(grid, items, item => Object.assign(createTile(item, 'button'), { type: 'button' }))
    items.forEach((item, index) => {
      const tile = grid.children[index]
      describe(tile, item)
      tile.dataset.tone = item.tone
      tile.setAttribute('aria-label', item.title + ' ' + item.detail)
    })
    grid.onclick = event => {
      const tile = event.target.closest('.tile')
      if (tile && viewing) openDialog(viewing, tile.dataset.key, tile)
      else if (tile) send('open', tile.dataset.key)
    }
  }
}

// ---- editable tiles

function createEditor(root) {
  root.append(root.querySelector('template.editor').content.cloneNode(true))
  const part = name => root.querySelector('.' + name)
  const grid = part('grid'), status = part('status')
  const selected = new Set()
  const queue = []
  const timers = {}
  let items = [], editing = null, send = null, canUndo = false
  let isSending = false, version = 0, signature = null, page = null
  let anchor = null  // where a range of selected tiles begins
  let viewing = null  // what the image dialog needs to walk over these images
  let turning = 0  // -1 or 1 while the page before or after this one is fetched
  let isOpenTurned = false  // the image dialog asked for that page

  const itemOf = key => items.find(item => item.key === key)
  const tileOf = key => grid.querySelector(`[data-key="${CSS.escape(key)}"]`)
  const focusedKey = () => root.getRootNode().activeElement?.dataset?.key ?? null
  const say = (text, isWrong) => {
    status.textContent = text
    status.dataset.wrong = isWrong ? '1' : ''
  }

  // The images that an edit is about.
  function chosenKeys() {
    if (selected.size) return items.map(item => item.key).filter(key => selected.has(key))
    return focusedKey() ? [focusedKey()] : []
  }

  // Edits: one request at a time; what is pressed meanwhile waits for the next one.
  async function flush() {
    if (isSending || !queue.length) return
    isSending = true
    const batch = queue.splice(0)
    try {
      const answer = await post(batch)
      if (answer.error) say(answer.error, true)
      else say(answer.messages.join(' · '), answer.failed || answer.voided)
      for (const [key, state] of Object.entries(answer.states ?? {})) {
        Object.assign(itemOf(key) ?? {}, state)
      }
      version = answer.version ?? version
      paint()
    } catch {
      // An undo is not repeated: it may have been done before the connection was lost.
      queue.unshift(...batch.filter(edit => edit.action !== 'undo'))
      say(`No connection. Unsaved changes: ${queue.length}. Trying again …`, true)
      await new Promise(done => setTimeout(done, RETRY_MS))
    }
    isSending = false
    if (queue.length) return flush()
    clearTimeout(timers.refresh)
    timers.refresh = setTimeout(() => send('edited', version), REFRESH_MS)
  }

  async function post(batch) {
    const response = await fetch('/datasets/' + encodeURIComponent(editing.dataset) + '/edits', {
      method: 'POST',
      keepalive: true,
      headers: { 'content-type': 'application/json', [editing.header]: '1' },
      body: JSON.stringify({ edits: batch, shown: items.map(item => Number(item.key)) }),
    })
    return response.json()
  }

  function edit(action, more = {}) {
    if (editing.refusal) return say(editing.refusal, true)
    const keys = action === 'undo' ? [] : chosenKeys()
    if (action !== 'undo' && !keys.length) return say('Select an image first.', true)
    queue.push({ action, ids: keys.map(Number), ...more })
    if (action !== 'undo') canUndo = true
    for (const item of keys.map(itemOf)) {
      if (action === 'relabel') item.title = more.class_name
      if (action === 'exclude') item.excluded = true
      if (action === 'restore') item.excluded = false
      item.changed = true
    }
    paint()
    flush()
  }

  function relabel(index) {
    const name = editing.classes[index]
    if (name !== undefined) edit('relabel', { class_name: name })
  }

  addEventListener('pagehide', () => { if (queue.length) post(queue.splice(0)) })

  // The grid.
  function createOption(item) {
    const tile = createTile(item, 'div')
    tile.setAttribute('role', 'option')
    const mark = element('span', 'mark')
    mark.setAttribute('aria-hidden', 'true')
    tile.prepend(mark)
    return tile
  }

  function build() {
    const kept = root.getRootNode().activeElement?.dataset?.key
    placeTiles(grid, items, createOption)
    for (const tile of grid.children) tile.tabIndex = -1
    for (const key of selected) if (!itemOf(key)) selected.delete(key)
    paint()
    const first = items[turning < 0 ? items.length - 1 : 0]?.key
    const next = kept && itemOf(kept) ? kept : first
    if (next) tileOf(next).tabIndex = 0
    if (kept && next) tileOf(next).focus({ preventScroll: true })
    if (isOpenTurned && turning && first) openDialog(viewing, first, tileOf(first))
    isOpenTurned = false
    turning = 0
  }

  function paint() {
    for (const item of items) {
      const tile = tileOf(item.key)
      if (!tile) continue
      describe(tile, item)
      const words = [item.title, item.detail, item.excluded ? 'excluded' : '']
      tile.setAttribute('aria-label', words.filter(Boolean).join(', '))
      tile.setAttribute('aria-selected', selected.has(item.key))
      tile.dataset.excluded = item.excluded ? '1' : ''
      tile.dataset.changed = item.changed ? '1' : ''
    }
    part('count').textContent = selected.size ? selected.size + ' selected' : ''
    part('actions').dataset.on = selected.size ? '1' : ''
    part('summary').textContent = selected.size ? '' : editing.summary
    showUndo()
    const chosen = items.filter(item => selected.has(item.key))
    root.querySelector('[data-action=exclude]').hidden = chosen.every(item => item.excluded)
    root.querySelector('[data-action=restore]').hidden = !chosen.some(item => item.excluded)
  }

  function showUndo() {
    root.querySelector('[data-action=undo]').disabled = !canUndo || Boolean(editing.refusal)
  }

  // Who may not edit reads why on each control that would; selecting changes nothing.
  function lock() {
    for (const control of part('tools').querySelectorAll('button, select, input')) {
      if (['all', 'none'].includes(control.dataset.action)) continue
      control.dataset.tip ??= control.title
      control.disabled = Boolean(editing.refusal)
      control.title = editing.refusal ?? control.dataset.tip
    }
  }

  function toggle(key) {
    if (!selected.delete(key)) selected.add(key)
    anchor = key
    paint()
  }

  function selectRange(key) {
    const keys = items.map(item => item.key)
    const ends = [keys.indexOf(anchor ?? key), keys.indexOf(key)].sort((a, b) => a - b)
    for (const inside of keys.slice(Math.max(ends[0], 0), ends[1] + 1)) selected.add(inside)
    paint()
  }

  function selectAll(isOn) {
    for (const { key } of items) isOn ? selected.add(key) : selected.delete(key)
    paint()
  }

  function focus(key) {
    grid.querySelectorAll('[tabindex="0"]').forEach(tile => { tile.tabIndex = -1 })
    const tile = tileOf(key)
    tile.tabIndex = 0
    tile.focus()
  }

  const columnCount = () => getComputedStyle(grid).gridTemplateColumns.split(' ').length

  function move(step) {
    const from = items.findIndex(item => item.key === focusedKey()), to = from + step
    if (from < 0) return
    if (to < 0 || to >= items.length) return Math.abs(step) > 1 || turnPage(step)
    focus(items[to].key)
  }

  // Past the last image of a page comes the next page; a row up or down stays on its page.
  function turnPage(step) {
    const direction = Math.sign(step), next = editing.page + direction
    if (next < 1 || next > editing.pages || turning) return
    turning = direction
    send('turn', next)
  }

  // The image dialog edits too; what it did is shown here.
  const isMine = detail => root.isConnected && detail.viewing?.id === viewing?.id
  const open = key => openDialog(viewing, key, tileOf(key))
  heard('turn', detail => {
    if (!isMine(detail)) return
    isOpenTurned = true
    turnPage(detail.step)
  })
  heard('closed', detail => {
    if (!isMine(detail) || !tileOf(detail.key)) return
    detail.isTaken = true
    focus(detail.key)
  })
  heard('edited', detail => {
    if (!root.isConnected || detail.dataset !== editing.dataset) return
    for (const [key, state] of Object.entries(detail.states ?? {})) {
      const item = itemOf(key)
      if (item && (item.title !== state.title || item.excluded !== state.excluded)) {
        Object.assign(item, state, { changed: true })
      }
    }
    version = detail.version
    paint()
  })

  // Pointer.
  grid.onclick = event => {
    const key = event.target.closest('.tile')?.dataset.key
    if (!key) return
    focus(key)
    if (event.shiftKey) selectRange(key)
    else if (event.ctrlKey || event.metaKey || event.target.closest('.mark')) toggle(key)
    else open(key)
  }
  grid.onmousedown = event => { if (event.shiftKey) event.preventDefault() }

  part('tools').onclick = event => {
    const action = event.target.closest('button')?.dataset.action
    if (action === 'all') selectAll(true)
    if (action === 'none') selectAll(false)
    if (action === 'exclude' || action === 'restore' || action === 'undo') edit(action)
    if (action === 'group') edit('group', { group: part('group').value.trim() })
  }
  part('move').onchange = event => {
    if (event.target.value !== '') relabel(Number(event.target.value))
    event.target.value = ''
  }

  // Keyboard.
  root.onkeydown = event => {
    if (event.target.closest('input, select') || event.altKey) return
    const isHandled = event.ctrlKey || event.metaKey ? pressCommand(event) : press(event)
    if (!isHandled) return
    event.preventDefault()
    event.stopPropagation()
  }

  // Each gives true where the key means something here.
  function pressCommand(event) {
    const key = event.key.toLowerCase()
    if (key === 'z') edit('undo')
    else if (key === 'a' && event.target.closest('.tile')) selectAll(true)
    else return false
    return true
  }

  function press(event) {
    const key = event.key.toLowerCase()
    if (key === 'u') edit('undo')
    else if (key === 'escape' && selected.size) selectAll(false)
    else if (event.target.closest('.tile')) return pressOnImage(event, key)
    else return false
    return true
  }

  function pressOnImage(event, key) {
    const row = columnCount()
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }
    const digit = /^Digit([1-9])$/.exec(event.code)
    if (digit) relabel(Number(digit[1]) - 1 + (event.shiftKey ? 9 : 0))
    else if (/^[1-9]$/.test(event.key)) relabel(Number(event.key) - 1)
    else if (event.key in steps) move(steps[event.key])
    else if (key === 'x') edit(chosenKeys().every(k => itemOf(k).excluded) ? 'restore' : 'exclude')
    else if (key === 'enter') open(focusedKey())
    else if (key === ' ') (event.shiftKey ? selectRange : toggle)(focusedKey())
    else return false
    return true
  }

  // Which key gives which class.
  function showLegend() {
    const keyOf = index => index < 9 ? String(index + 1) : '⇧' + (index - 8)
    const entry = ([key, words]) => {
      const line = element('span', 'entry')
      line.append(element('kbd', '', key), ' ' + words)
      return line
    }
    const classes = editing.classes.slice(0, KEYED_CLASSES)
    const entries = [
      ...classes.map((name, index) => [keyOf(index), name]),
      ['← ↑ ↓ →', 'move'], ['Space', 'select'], ['Enter', 'open'],
      ['X', 'exclude / include again'], ['U', 'undo'],
    ]
    for (const list of root.querySelectorAll('.legend')) list.replaceChildren(...entries.map(entry))
    part('move').replaceChildren(new Option('Move to class …', ''),
      ...editing.classes.map((name, index) => new Option(name, index)))
  }

  // The thumbnails of the following page are made on the server and kept by the browser.
  function prepareNextPage() {
    clearTimeout(timers.prepare)
    timers.prepare = setTimeout(() => editing.ahead.forEach(url => {
      Object.assign(new Image(), { fetchPriority: 'low', src: url })
    }), PREPARE_MS)
  }

  return (data, sendValue) => {
    send = sendValue
    const isOther = editing?.dataset !== data.editing.dataset
    editing = data.editing
    viewing = data.viewing
    canUndo = editing.undoable || queue.length > 0
    lock()
    showUndo()
    if (signature === editing.signature && page === editing.page) return
    if (isSending || queue.length) return  // the answer brings a newer state than this one
    signature = editing.signature
    page = editing.page
    items = data.items.map(item => ({ ...item }))
    if (isOther) { selected.clear(); say('') }
    showLegend()
    build()
    prepareNextPage()
  }
}
