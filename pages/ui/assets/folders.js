// The folders of the server: a trail, places to begin at, the subfolders and ZIP files of the open one.
// Keys: arrows walk, Enter opens, Backspace goes up, letters filter, Ctrl+Enter takes the folder.

const FILTER_FROM = 8
const SHOWN = 300 // rows; of more, those that match what is typed
const views = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.ts-folders')
  if (!views.has(root)) views.set(root, createView(root))
  views.get(root)(data, setTriggerValue)
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function icon(name) {
  const made = element('span', 'icon', name)
  made.setAttribute('aria-hidden', 'true')
  return made
}

function button(className, ...content) {
  const made = element('button', className)
  made.type = 'button'
  made.append(...content)
  return made
}

function createView(root) {
  const places = element('nav', 'places'), trail = element('nav', 'trail')
  const find = element('input', 'find'), list = element('div', 'list')
  const notes = element('div', 'notes'), main = element('div', 'main')
  places.setAttribute('aria-label', 'Places')
  trail.setAttribute('aria-label', 'Where you are')
  list.setAttribute('role', 'group')
  list.setAttribute('aria-label', 'Folders')
  notes.setAttribute('aria-live', 'polite')
  Object.assign(find, { type: 'search', placeholder: 'Filter these folders', autocomplete: 'off' })
  find.setAttribute('aria-label', 'Filter these folders')
  main.append(trail, find, list, notes)
  root.append(places, main)
  let data = null, send = null, isFirst = true

  const rows = () => [...list.querySelectorAll('button.folder:not([aria-disabled=true])')]
  const open = (kind, position) => {
    if (root.dataset.busy) return
    root.dataset.busy = '1'
    send('open', [kind, position, data.number])
  }
  const entries = () => data.folders.length + data.archives.length
  const goUp = () => { if (data.trail.length > 1) open('trail', data.trail.length - 2) }

  function drawTrail() {
    const last = data.trail.length - 1
    const up = button('up', icon('arrow_upward'))
    up.title = 'Up (Backspace)'
    up.setAttribute('aria-label', 'Up one folder')
    up.disabled = last < 1
    up.onclick = goUp
    const parts = data.trail.flatMap((name, position) => {
      const part = button('part', name)
      part.title = name
      if (position === last) part.setAttribute('aria-current', 'location')
      part.onclick = () => { if (position !== last) open('trail', position) }
      return position ? [icon('chevron_right'), part] : [part]
    })
    trail.replaceChildren(up, ...parts)
    trail.scrollLeft = trail.scrollWidth
  }

  function drawPlaces() {
    places.hidden = !data.places.length
    places.replaceChildren(...data.places.map(([symbol, name, path], position) => {
      const place = button('place', icon(symbol), element('span', 'name', name))
      place.title = path
      if (position === data.place) place.setAttribute('aria-current', 'location')
      place.onclick = () => open('place', position)
      return place
    }))
  }

  function drawFolders() {
    const wanted = find.value.trim().toLowerCase()
    const items = kind => (kind === 'folder' ? data.folders : data.archives)
      .map(([name, reason], position) => ({ kind, name, reason, position }))
    const matching = [...items('folder'), ...items('archive')]
      .filter(item => item.name.toLowerCase().includes(wanted))
    const drawn = matching.slice(0, SHOWN).map(drawFolder)
    if (data.problem) drawn.push(message('error', data.problem))
    else if (!entries()) drawn.push(message('folder_off', 'No folders inside.'))
    else if (!matching.length) drawn.push(message('search_off', 'No name contains this text.'))
    list.replaceChildren(...drawn)
    const first = rows()[0]
    if (first) first.tabIndex = 0
    const more = matching.length - SHOWN
    const words = more > 0 ? [`${more.toLocaleString('en')} more. Type to filter.`] : []
    notes.replaceChildren(...[...words, ...data.notes].map(text => element('div', 'note', text)))
  }

  function drawFolder({ kind, name, reason, position }) {
    const isFolder = kind === 'folder', usable = isFolder ? 'folder' : 'folder_zip'
    const row = button('folder', icon(reason ? 'folder_off' : usable), element('span', 'name', name))
    row.title = name
    row.tabIndex = -1
    if (reason) {
      row.append(element('span', 'reason', reason))
      row.setAttribute('aria-disabled', 'true')
    } else {
      row.append(isFolder ? icon('chevron_right') : element('span', 'reason', 'Use'))
      row.onclick = () => open(kind, position)
    }
    return row
  }

  function message(symbol, words) {
    const made = element('div', 'message')
    made.append(icon(symbol), element('span', '', words))
    return made
  }

  function walk(step) {
    const all = rows(), at = all.indexOf(root.getRootNode().activeElement)
    const next = all[at < 0 ? 0 : at + step]
    if (next) next.focus()
    else if (step < 0 && !find.hidden) find.focus()
  }

  function typed(event) {
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return false
    if (event.target === find || event.key === ' ') return false
    if (!find.hidden) {
      find.focus() // the letter itself follows, into the field
      return false
    }
    const letter = event.key.toLowerCase()
    rows().find(row => row.querySelector('.name').textContent.toLowerCase().startsWith(letter))?.focus()
    return true
  }

  root.onkeydown = event => {
    const isInFind = event.target === find
    const all = rows()
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send('use', data.number)
    else if (event.key === 'ArrowDown') walk(1)
    else if (event.key === 'ArrowUp') walk(-1)
    else if (event.key === 'Home' && !isInFind) all[0]?.focus()
    else if (event.key === 'End' && !isInFind) all.at(-1)?.focus()
    else if (event.key === 'Backspace' && (!isInFind || !find.value)) goUp()
    else if (event.key === 'Enter' && isInFind) all[0]?.click()
    else if (event.key === 'Escape' && find.value) {
      find.value = ''
      drawFolders()
    } else if (!typed(event)) return
    event.preventDefault()
    event.stopPropagation()
  }
  find.oninput = drawFolders

  return (received, report) => {
    const isNew = !data || received.number !== data.number
    const hadFocus = root.contains(root.getRootNode().activeElement)
    data = received
    send = report
    delete root.dataset.busy
    if (isNew) find.value = ''
    find.hidden = entries() < FILTER_FROM
    drawPlaces()
    drawTrail()
    drawFolders()
    if (!isNew) return
    list.scrollTop = 0
    // Why not at once: the dialog takes the focus for itself when it has opened.
    const focus = () => (rows()[0] ?? trail.querySelector('.up:enabled'))?.focus()
    if (isFirst) setTimeout(focus, 250)
    else if (hadFocus || document.activeElement === document.body) focus()
    isFirst = false
  }
}
