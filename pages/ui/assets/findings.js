// Findings as cards of two images, with what can be done about each; a card opens large, where both
// images zoom and move together or take turns in one place.
// What is asked for is kept until the server has answered: Streamlit may drop a rerun for a newer
// one, and a decision must not be lost with it.

const MESSAGE_MS = 20000
const PLACE_KEY_MS = 1000  // after `g`, the next key belongs to the frame: it goes to a page
const MOST_ZOOM = 24
const FIRST_ROW = 4  // cards of a kind while all kinds are shown; wide screens show more of them

const mounted = new WeakMap()

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector('.ts-findings')
  if (!mounted.has(root)) mounted.set(root, create(root))
  mounted.get(root)(data, setStateValue)
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function button(className, text, act, more = {}) {
  return Object.assign(element('button', className, text), { type: 'button', onclick: act, ...more })
}

function create(root) {
  const part = name => root.querySelector('.' + name)
  const sections = part('sections'), dialog = part('zoom'), message = part('message')
  const panes = [...dialog.querySelectorAll('.pane')]
  let data = null, send = null, drawn = null, said = null, hiding = 0
  let waiting = []  // asked for, and not answered yet
  let opened = null  // key of the finding that is shown large
  let pair = 0  // which of its pairs
  let isFlicker = false, second = false
  let placeKey = 0
  let view = { s: 1, x: 0, y: 0 }

  const cards = () => [...sections.querySelectorAll('.card')].filter(card => card.checkVisibility())
  const shownCards = () => cards().filter(card => card.item.pairs.length)
  const active = () => root.getRootNode().activeElement?.closest?.('.card') ?? null
  const itemOf = key => data.sections.flatMap(s => s.items).find(item => item.key === key)
  const host = () => (dialog.open ? dialog : root)

  function ask(request) {
    if (data.refusal && request.do !== 'show') return
    // What was asked about a finding is answered first: a second press would be about nothing.
    if (request.finding && waiting.some(one => one.finding === request.finding)) return
    waiting.push({ id: `${Date.now()}-${Math.random()}`, dataset: data.dataset, ...request })
    send('requests', [...waiting])
    markWaiting()
  }

  // A button that asks for a change; who may not change data reads why.
  const locked = (more = {}) => data.refusal ? { ...more, disabled: true, title: data.refusal } : more
  const changing = (words, request, more) => button('', words, () => ask(request), locked(more))

  function markWaiting() {
    const keys = new Set(waiting.map(request => String(request.finding)))
    for (const card of cards()) card.dataset.waiting = keys.has(card.item.key) ? '1' : ''
  }

  // ---- cards

  function half(picture) {
    const made = element('span', 'half'), frame = element('span', 'frame')
    const image = element('img')
    image.onerror = () => { image.remove(); frame.textContent = 'cannot be read' }
    Object.assign(image, { loading: 'lazy', decoding: 'async', alt: '', src: picture.thumb })
    frame.append(image)
    made.append(frame, element('span', 'label', picture.label))
    made.title = picture.name
    return made
  }

  function actions(item, all) {
    const made = item.actions.map(action =>
      changing(action.words, action.request, { title: action.help }))
    if (item.menu.length && !all) {
      made.push(button('dots', '⋯', event => menu(event.currentTarget, item.menu),
        locked({ ariaLabel: 'More fixes', ariaHasPopup: 'menu' })))
    }
    if (all) made.push(...item.menu.slice(0, 3).map(action =>
      changing(action.words, action.request, { title: action.help })))
    return made
  }

  function card(item) {
    const made = element('article', 'card')
    const place = item.pairs[0]
    made.item = item
    made.tabIndex = -1
    made.setAttribute('role', 'group')
    made.setAttribute('aria-label', [item.title, item.note].filter(Boolean).join(', '))
    if (place) {
      const pictures = place.filter(id => id !== null).map(id => item.pictures[id])
      const opener = button('open', undefined, () => open(item.key, 0),
        { ariaLabel: `Compare: ${item.title}` })
      opener.classList.toggle('single', pictures.length < 2)
      opener.append(...pictures.map(half))
      if (item.more) opener.append(element('span', 'more', `+${item.more}`))
      made.append(opener)
    } else made.classList.add('row')
    const words = element('div', 'words')
    words.append(element('span', 'title', item.title))
    if (item.note) words.append(element('span', 'note', item.note))
    words.title = item.hint
    const acts = element('div', 'acts')
    acts.append(...actions(item))
    made.append(words)
    if (item.remedy) made.append(element('p', 'remedy', item.remedy))
    made.append(acts)
    return made
  }

  // The button of `widgets.why`: what it opens lies over the cards, which stay where they are.
  function why(reasons) {
    const opener = button('why', '', null), told = element('p', 'menu reasons', reasons)
    const icon = name => Object.assign(element('span', 'icon', name), { ariaHidden: 'true' })
    opener.append(icon('help'), 'Why?', icon('expand_more'))
    opener.popoverTargetElement = told
    told.popover = 'auto'
    told.onbeforetoggle = ({ newState }) => {
      opener.lastChild.textContent = newState === 'open' ? 'expand_less' : 'expand_more'
      if (newState === 'open') requestAnimationFrame(() => putBelow(told, opener))
    }
    return [opener, told]
  }

  function section(part) {
    const made = element('section'), head = element('div', 'head'), grid = element('div', 'cards')
    const title = element('h3', '', part.title + ' ')
    title.append(element('span', 'count', part.count.toLocaleString('en')))
    title.id = `title-${part.kind}`
    made.setAttribute('aria-labelledby', title.id)
    made.dataset.kind = part.kind
    head.append(title, ...why(part.why), element('span', 'space'))
    if (part.bulk.length) {
      head.append(button('quiet bulk', `For all ${part.count.toLocaleString('en')} …`,
        event => menu(event.currentTarget, part.bulk), locked({ ariaHasPopup: 'menu' })))
    }
    grid.classList.toggle('first', part.offer_all)
    if (part.count > FIRST_ROW && part.offer_all) {
      head.append(button('quiet all', `Show all ${part.count.toLocaleString('en')}`,
        () => ask({ do: 'show', kind: part.kind })))
    }
    const isNarrow = part.items.every(item => item.pairs.length) && !part.bulk.length
    made.dataset.size = isNarrow ? Math.min(part.items.length, FIRST_ROW) : 'all'
    grid.append(...part.items.map(card))
    made.append(head, grid)
    return made
  }

  function draw() {
    const text = JSON.stringify(data.sections)
    if (text !== drawn) {
      const before = cards(), had = active()
      const place = before.indexOf(had), key = had?.item.key
      sections.replaceChildren(...data.sections.map(section))
      drawn = text
      const now = cards()
      const next = now.find(c => c.item.key === key) ?? now[Math.min(place, now.length - 1)]
      for (const one of now) one.tabIndex = -1
      const reachable = next ?? now[0]
      if (reachable) reachable.tabIndex = 0
      if (had && next && !dialog.open) next.focus({ preventScroll: true })
      if (opened) followOpened()
    }
    markWaiting()
    legend()
  }

  // The finding that is shown large was dealt with: the one in its place comes up.
  function followOpened() {
    if (itemOf(opened)) return show()
    const left = shownCards()
    if (!left.length) return dialog.close()
    opened = left[Math.min(place, left.length - 1)].item.key
    pair = 0
    reset()
    show()
  }

  // ---- menus

  function menu(opener, entries) {
    const list = element('div', 'menu')
    list.popover = 'auto'
    list.setAttribute('role', 'menu')
    for (const entry of entries) {
      const line = button('', entry.words, () => { list.hidePopover(); ask(entry.request) })
      line.setAttribute('role', 'menuitem')
      if (entry.help) line.append(element('small', '', entry.help))
      list.append(line)
    }
    list.onkeydown = event => {
      const lines = [...list.children], at = lines.indexOf(root.getRootNode().activeElement)
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
      if (step) { event.preventDefault(); lines.at((at + step) % lines.length).focus() }
      event.stopPropagation()
    }
    list.ontoggle = event => {
      if (event.newState !== 'closed') return
      list.remove()
      if (opener.isConnected) opener.focus({ preventScroll: true })
    }
    host().append(list)
    list.showPopover()
    putBelow(list, opener)
    list.firstElementChild.focus()
  }

  function putBelow(popover, opener) {
    const at = opener.getBoundingClientRect(), own = popover.getBoundingClientRect()
    const left = Math.min(at.left, innerWidth - own.width - 8)
    const below = at.bottom + 4, isLow = below + own.height > innerHeight
    popover.style.left = `${Math.max(8, left)}px`
    popover.style.top = `${isLow ? Math.max(8, at.top - own.height - 4) : below}px`
  }

  // ---- the message after an action, with its undo

  function say() {
    const news = data.message
    if (!news || news.number === said) return
    said = news.number
    host().append(message)
    message.dataset.wrong = news.wrong ? '1' : ''
    part('undo').hidden = !news.undo
    if (!message.matches(':popover-open')) message.showPopover()
    part('said').textContent = news.text
    hideLater()
  }

  function hideLater() {
    clearTimeout(hiding)
    hiding = setTimeout(() => {
      const isUsed = message.matches(':hover') || message.contains(root.getRootNode().activeElement)
      if (isUsed) hideLater()
      else if (message.isConnected && message.matches(':popover-open')) message.hidePopover()
    }, MESSAGE_MS)
  }

  part('undo').onclick = () => ask({ do: 'undo' })
  part('dismiss').onclick = () => message.hidePopover()

  // ---- large: two images that zoom and move together

  let place = 0  // of the finding that is shown, among the cards

  function open(key, which) {
    opened = key
    pair = which
    if (!dialog.open) { setFlicker(false); dialog.showModal(); enterHistory() }
    if (message.matches(':popover-open')) { dialog.append(message); message.showPopover() }
    reset()
    show()
  }

  // The image dialog (viewer.js) over all images of a finding.
  function openImage(item, id) {
    const keys = Object.keys(item.pictures)
    const viewing = { id: item.key, keys, models: [], kind: 'pictures', first: 1,
      total: keys.length, action: '' }
    dispatchEvent(new CustomEvent('touchstone-open',
      { detail: { viewing, key: String(id), opener: shownCards().find(one => one.item === item) } }))
  }

  function show() {
    const item = itemOf(opened), listed = shownCards()
    place = listed.findIndex(one => one.item.key === opened)
    pair = Math.min(pair, item.pairs.length - 1)
    const ids = item.pairs[pair].filter(id => id !== null)
    part('place').textContent = `${place + 1} of ${listed.length}`
    part('heading').textContent = [item.title, item.note].filter(Boolean).join(' · ')
    part('panes').classList.toggle('single', ids.length < 2)
    panes.forEach((pane, side) => {
      pane.hidden = side >= ids.length
      if (pane.hidden) return
      const picture = item.pictures[ids[side]], image = pane.querySelector('img')
      if (image.getAttribute('src') !== picture.full) {
        Object.assign(image, { src: picture.full, alt: `${picture.label}, ${picture.name}` })
      }
      const name = button('', picture.name, () => {
        keepHistory()
        dialog.close()
        openImage(item, picture.id)
      }, { title: 'Everything about this image' })
      pane.querySelector('figcaption').replaceChildren(
        element('b', '', `${'AB'[side]} · ${picture.label}`), name)
    })
    dialog.querySelector('.foot .acts').replaceChildren(...actions(item, true))
    part('mode').hidden = part('scale').hidden = ids.length < 2
    const own = ids.filter(id => item.apart.includes(id))
    part('pairs').hidden = item.pairs.length < 2 && own.length < 2
    for (const name of ['up', 'down', 'pair-place']) part(name).hidden = item.pairs.length < 2
    part('pair-place').textContent = `pair ${pair + 1} of ${item.pairs.length}`
    part('pair-acts').replaceChildren(...(item.pair_actions ? pairActions(item, ids) : []),
      ...(own.length < 2 ? [] : own.map((id, side) => changing(`Exclude ${'AB'[side]}`,
        { do: 'exclude', finding: Number(item.key), images: [id] },
        { title: 'Leaves this image out in a new version. No file is deleted.' }))))
    paintView()
    legend()
    // Why: the button that was pressed may be gone, and keys would go nowhere.
    if (!dialog.contains(root.getRootNode().activeElement)) dialog.focus()
  }

  function pairActions(item, ids) {
    const answer = (words, given) => changing(words,
      { do: 'pair', finding: Number(item.key), images: ids, answer: given })
    const apart = (side, id) => changing(`Only ${side} differs`,
      { do: 'apart', finding: Number(item.key), images: [id] },
      { title: `${side} shows another part than all the others of this finding.` })
    return [answer('Same', 'same-part'), answer('Different', 'different-parts'),
      apart('A', ids[0]), apart('B', ids[1])]
  }

  function step(by) {
    const listed = shownCards(), next = listed[place + by]
    if (next) open(next.item.key, 0)
  }

  function stepPair(by) {
    const count = itemOf(opened).pairs.length
    pair = (pair + by + count) % count
    show()
  }

  function setFlicker(isOn) {
    isFlicker = isOn
    second = isOn
    paintView()
  }

  function flick() {
    if (part('mode').hidden) return
    if (isFlicker) { second = !second; paintView() } else setFlicker(true)
  }

  function paintView() {
    const box = part('panes')
    box.classList.toggle('flicker', isFlicker)
    box.classList.toggle('close-up', view.s >= 4)
    part('mode').setAttribute('aria-pressed', isFlicker)
    panes[0].classList.toggle('off', isFlicker && second)
    panes[1].classList.toggle('off', isFlicker && !second)
    for (const [name, value] of Object.entries(view)) box.style.setProperty('--' + name, value)
    dialog.querySelector('[data-zoom=reset]').textContent = `${Math.round(view.s * 10) / 10}×`
  }

  function reset() {
    view = { s: 1, x: 0, y: 0 }
  }

  // Zoom so that what lies under the point (fractions of the pane, 0 in its middle) stays there.
  function zoom(factor, px = 0, py = 0) {
    const s = Math.min(MOST_ZOOM, Math.max(1, view.s * factor)), k = s / view.s
    moveTo(s, px - (px - view.x) * k, py - (py - view.y) * k)
  }

  function moveTo(s, x, y) {
    const most = (s - 1) / 2
    const within = value => Math.max(-most, Math.min(most, value))
    view = { s, x: within(x), y: within(y) }
    paintView()
  }

  function pointIn(area, event) {
    const box = area.getBoundingClientRect()
    return [(event.clientX - box.left) / box.width - .5, (event.clientY - box.top) / box.height - .5]
  }

  for (const area of dialog.querySelectorAll('.view')) {
    area.addEventListener('wheel', event => {
      event.preventDefault()
      zoom(Math.exp(-event.deltaY / 400), ...pointIn(area, event))
    }, { passive: false })
    area.ondblclick = event => (view.s > 1 ? (reset(), paintView()) : zoom(4, ...pointIn(area, event)))
    area.onpointerdown = event => {
      area.setPointerCapture(event.pointerId)
      let from = pointIn(area, event)
      area.onpointermove = moved => {
        const to = pointIn(area, moved)
        moveTo(view.s, view.x + to[0] - from[0], view.y + to[1] - from[1])
        from = to
      }
    }
    area.onpointerup = area.onpointercancel = () => { area.onpointermove = null }
  }

  part('scale').onclick = event => {
    const kind = event.target.dataset.zoom
    if (kind === 'in') zoom(1.5)
    if (kind === 'out') zoom(1 / 1.5)
    if (kind === 'reset') { reset(); paintView() }
  }
  part('mode').onclick = () => setFlicker(!isFlicker)
  part('close').onclick = () => dialog.close()
  part('previous').onclick = () => step(-1)
  part('next').onclick = () => step(1)
  part('up').onclick = () => stepPair(-1)
  part('down').onclick = () => stepPair(1)
  dialog.onclick = event => { if (event.target === dialog) dialog.close() }
  dialog.addEventListener('close', () => {
    const card = cards().find(one => one.item.key === opened)
    opened = null
    if (message.matches(':popover-open')) { root.append(message); message.showPopover() }
    card?.focus()
    legend()
    leaveHistory()
  })

  // ---- Back closes the dialog, as it closes the image dialog (viewer.js)

  let isEntered = false, isGoingBack = false

  function enterHistory() {
    history.pushState({ ...history.state, touchstonePair: true }, '')
    isEntered = true
  }

  // For the image dialog, which comes next and takes this entry over: one step back closes it.
  function keepHistory() {
    isEntered = false
    history.replaceState({ ...history.state, touchstonePair: false, isHandedOver: true }, '')
  }

  function leaveHistory() {
    if (!isEntered) return
    isEntered = false
    isGoingBack = true
    history.back()
  }

  // Why first: to Streamlit every step through the history is a change of its page.
  addEventListener('popstate', function onBack(event) {
    if (!root.isConnected && !isGoingBack) return removeEventListener('popstate', onBack, true)
    if (!isGoingBack && !isEntered) return
    event.stopImmediatePropagation()
    isGoingBack = isEntered = false
    if (dialog.open) dialog.close()
  }, true)

  // ---- keyboard

  root.onkeydown = event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const key = event.key.toLowerCase()
    if (event.timeStamp - placeKey < PLACE_KEY_MS && !dialog.open) { placeKey = -PLACE_KEY_MS; return }
    if (key === 'g' && !dialog.open) { placeKey = event.timeStamp; return }
    const isHandled = dialog.open ? pressLarge(event, key) : pressCard(event, key)
    if (!isHandled) return
    event.preventDefault()
    event.stopPropagation()
  }

  function pressLarge(event, key) {
    if (key === ' ' && event.target.closest('.foot, .close, .scale')) return false
    if (key === ' ') flick()
    else if (key === 'f') setFlicker(!isFlicker)
    else if (key === 'arrowright') step(1)
    else if (key === 'arrowleft') step(-1)
    else if (key === 'arrowdown') stepPair(1)
    else if (key === 'arrowup') stepPair(-1)
    else if (key === '+' || key === '=') zoom(1.5)
    else if (key === '-') zoom(1 / 1.5)
    else if (key === '0') { reset(); paintView() }
    else return act(itemOf(opened), key)
    return true
  }

  function pressCard(event, key) {
    const card = active()
    if (!card) return key === 'u' && act(null, key)
    const row = getComputedStyle(card.parentElement).gridTemplateColumns.split(' ').length
    const by = { arrowleft: -1, arrowright: 1, arrowup: -row, arrowdown: row }[key]
    if (by) return move(card, by)
    if (key === 'enter' && event.target === card && card.item.pairs.length) open(card.item.key, 0)
    else return act(card.item, key)
    return true
  }

  function act(item, key) {
    if (key === 'u') { ask({ do: 'undo' }); return true }
    const action = item && [...item.actions, ...item.menu].find(one => one.key === key)
    if (action) ask(action.request)
    return Boolean(action)
  }

  // Up and down stay among the cards of a kind where they can, then go on to the next kind.
  function move(card, by) {
    const every = cards(), from = every.indexOf(card)
    const next = every[from + by] ?? every[from + Math.sign(by)]
    if (!next) return false
    card.tabIndex = -1
    next.tabIndex = 0
    next.focus()
    return true
  }

  sections.addEventListener('focusin', event => {
    const card = event.target.closest('.card')
    if (!card) return
    for (const one of cards()) one.tabIndex = one === card ? 0 : -1
    legend(card.item)
  })

  // The keys that mean something now.
  function legend(item = active()?.item) {
    const entry = ([key, words]) => {
      const line = element('span')
      line.append(element('kbd', '', key), ' ' + words)
      return line
    }
    const isLarge = dialog.open && opened
    const listed = isLarge ? itemOf(opened) : item ?? cards()[0]?.item
    const keys = listed ? [...listed.actions, ...listed.menu].filter(one => one.key)
      .map(one => [one.key.toUpperCase(), one.words]) : []
    const ways = isLarge
      ? [['← →', 'finding'], ...(listed?.pairs.length > 1 ? [['↑ ↓', 'pair']] : []),
        ['F', 'flicker'], ['Space', 'the other image'], ['+ − 0', 'zoom'], ['Esc', 'close']]
      : [['← ↑ ↓ →', 'move'], ['Enter', 'compare']]
    const entries = listed ? [...ways, ...(data.refusal ? [] : [...keys, ['U', 'undo']])] : []
    const at = isLarge ? dialog.querySelector('.legend') : root.querySelector(':scope > .legend')
    at.replaceChildren(...entries.map(entry))
  }

  return (news, sendValue) => {
    const isOther = data && data.shelf !== news.shelf
    send = sendValue
    data = news
    waiting = waiting.filter(request => !data.handled.includes(request.id))
    draw()
    say()
    if (isOther) root.scrollIntoView({ block: 'start' })
  }
}
