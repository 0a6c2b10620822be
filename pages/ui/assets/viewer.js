// The image dialog. There is one for the whole app: it lives beside Streamlit's page, so that a
// rerun of the page neither closes nor redraws it. Galleries open it by the event
// `touchstone-open`; it asks the server for one image at a time and fetches the neighbours ahead.

const SETTINGS = 'touchstone-viewer', WALK = 'touchstone-viewing'
const MOST_KEPT = 40, MOST_KEYED = 9, RETRY_MS = 1500, TRIES = 20, GONE_MS = 3000
const FINE_FROM = 3, LARGEST = 48
const MODES = ['over', 'beside', 'input']
const THEME = ['primary-color', 'background-color', 'secondary-background-color', 'text-color',
  'border-color', 'font']

export default function ({ data, parentElement, setTriggerValue }) {
  const mounted = parentElement.querySelector('.ts-viewer')
  window.touchstoneViewer ??= createViewer(mounted)
  return window.touchstoneViewer.connect(data, mounted, setTriggerValue)
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

// ---- heatmaps: gray values in, colours and outlines out

async function readHeat(url) {
  const response = await fetch(url)
  if (!response.ok) throw Object.assign(new Error(await response.text()), { isAnswer: true })
  const exact = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' }
  const bitmap = await createImageBitmap(await response.blob(), exact)
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
  const context = canvas.getContext('2d', { willReadFrequently: true })
  context.drawImage(bitmap, 0, 0)
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height)
  const values = new Uint8Array(bitmap.width * bitmap.height)
  for (let i = 0; i < values.length; i++) values[i] = data[4 * i]
  return { values, side: bitmap.width, highest: values.reduce((a, b) => Math.max(a, b), 0) }
}

function paint(canvas, { values, side }, table) {
  canvas.width = canvas.height = side
  const pixels = new ImageData(side, side)
  for (let i = 0; i < values.length; i++) {
    for (let c = 0; c < 4; c++) pixels.data[4 * i + c] = table[4 * values[i] + c]
  }
  canvas.getContext('2d').putImageData(pixels, 0, 0)
}

// Lines between the pixel centres where the heat crosses a level, as an SVG path.
function outline({ values, side }, level) {
  const limit = 255 * level, parts = []
  const between = (a, b) => (limit - a) / (b - a)
  for (let y = 0; y + 1 < side; y++) {
    for (let x = 0; x + 1 < side; x++) {
      const i = y * side + x
      const a = values[i], b = values[i + 1], c = values[i + side + 1], d = values[i + side]
      const inside = (a >= limit) + (b >= limit) + (c >= limit) + (d >= limit)
      if (inside === 0 || inside === 4) continue
      const ends = []
      if ((a >= limit) !== (b >= limit)) ends.push([x + between(a, b), y])
      if ((b >= limit) !== (c >= limit)) ends.push([x + 1, y + between(b, c)])
      if ((d >= limit) !== (c >= limit)) ends.push([x + between(d, c), y + 1])
      if ((a >= limit) !== (d >= limit)) ends.push([x, y + between(a, d)])
      for (let n = 0; n + 1 < ends.length; n += 2) {
        const [[x0, y0], [x1, y1]] = [ends[n], ends[n + 1]]
        const at = v => (v + 0.5).toFixed(2)
        parts.push(`M${at(x0)} ${at(y0)}L${at(x1)} ${at(y1)}`)
      }
    }
  }
  return parts.join('')
}

// A value per address, the newest ones only; what failed is asked for again.
function createCache(load) {
  const kept = new Map()
  return {
    get(url) {
      if (!kept.has(url)) {
        const value = load(url)
        value.catch(() => kept.delete(url))
        kept.set(url, value)
        if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value)
      }
      return kept.get(url)
    },
    drop(url) { kept.delete(url) },
  }
}

function createViewer(mounted) {
  const host = element('div', 'ts-viewer-host')
  const root = host.attachShadow({ mode: 'open' })
  for (const style of mounted.getRootNode().querySelectorAll('style')) {
    root.append(style.cloneNode(true))
  }
  root.append(mounted.querySelector('template').content.cloneNode(true))
  document.body.append(host)

  const part = name => root.querySelector('.' + name)
  const dialog = part('viewer'), stage = part('stage'), sheets = root.querySelectorAll('.sheet')
  const settings = { mode: 'over', method: null, opacity: null, colours: 'heat', heat: true, more: false,
    ...JSON.parse(localStorage.getItem(SETTINGS) ?? '{}') }
  const abouts = createCache(async url => {
    const response = await fetch(url)
    const view = await response.json()
    return view.error ? { problem: view.error, title: 'Not found', icon: 'error', tone: 'wrong' } : view
  })
  const heats = createCache(readHeat)
  const readAnswer = async url => {
    const answer = await (await fetch(url)).json()
    if (answer.error) throw new Error(answer.error)
    return answer
  }
  const alikes = createCache(readAnswer), finals = createCache(readAnswer)
  const sliders = [...root.querySelectorAll('[data-change]')]
  // What is tried out on the image in view; `said` is the answer, which the bars show.
  // `start` is what the final model says of the unchanged image, where the bars are of another.
  const trial = { cover: null, covering: false, said: null, start: null, busy: false, late: false, turn: 0 }
  const camera = { scale: 1, x: 0, y: 0, fits: true }
  const undoable = []  // keys of the images corrected here, newest last
  let data = null, send = null, gone = 0, triedLink = false, place = location.href
  let viewing = null, at = 0, view = null, model = 0
  let role = 'predicted'  // or 'labeled', or the index of a class, for this image only
  let turn = 0, heatTurn = 0, opener = null
  let heatIfWrong = true  // a mistake is opened to see what decided; switched off until it closes
  let edited = null  // what the page must be told when the dialog closes
  let saving = Promise.resolve()

  const key = () => viewing.keys[at]
  const isHot = of => of?.tone === 'wrong' ? heatIfWrong : settings.heat
  const say = (words, isWrong) => {
    part('said').textContent = part('said').title = words
    part('said').dataset.wrong = isWrong ? '1' : ''
  }
  const aboutUrl = (index, which = model) => {
    const asked = viewing.models[which]
    return `/${viewing.kind}/${encodeURIComponent(viewing.keys[index])}/about`
      + (asked ? '?model=' + encodeURIComponent(asked.id) : '')
  }
  const tell = (name, detail) => dispatchEvent(new CustomEvent('touchstone-' + name, { detail }))

  // ---- the address: Back closes the dialog, a reload opens it again

  const linked = wanted => {
    const url = new URL(location)
    if (wanted === null) url.searchParams.delete('image')
    else url.searchParams.set('image', wanted)
    return url
  }
  // What is open comes and goes in the address on its own (frame.js).
  const withoutImage = address => {
    const url = new URL(address)
    for (const name of ['image', 'dataset', 'split', 'model']) url.searchParams.delete(name)
    return url.pathname + url.search
  }

  // Why first: to Streamlit every step through the history is a change of its page.
  addEventListener('popstate', event => {
    const wanted = new URL(location).searchParams.get('image')
    const isSamePage = withoutImage(place) === withoutImage(location.href)
    place = location.href
    if (isSamePage && (wanted !== null || dialog.open)) event.stopImmediatePropagation()
    if (wanted === null && dialog.open) dialog.close()
    else if (wanted !== null && isSamePage && !dialog.open) openLinked(wanted)
  }, true)

  function openLinked(wanted) {
    let kept = null
    try { kept = JSON.parse(sessionStorage.getItem(WALK)) } catch { /* of another version */ }
    const asked = new URL(location).searchParams.get('model')
    const alone = { keys: [wanted], models: asked ? [{ id: asked, name: '' }] : [], first: 1,
      total: 1, kind: /^\d+$/.test(wanted) ? 'pictures' : 'uploaded', action: '' }
    const fits = kept?.keys.includes(wanted) && kept.path === location.pathname
    start(fits ? kept : alone, wanted, null)
  }

  // ---- opening, walking, closing

  addEventListener('touchstone-open', ({ detail }) => {
    const isNew = !dialog.open
    if (isNew) enterHistory(linked(detail.key))
    start(detail.viewing, detail.key, detail.opener)
  })

  // The pair dialog (findings.js) has entered the history already, and hands its entry over.
  function enterHistory(address) {
    const { isHandedOver, ...state } = history.state ?? {}
    const enter = isHandedOver ? 'replaceState' : 'pushState'
    history[enter]({ ...state, touchstoneImage: true }, '', address)
  }

  function start(wanted, first, from) {
    viewing = wanted
    at = Math.max(0, viewing.keys.indexOf(String(first)))
    model = 0
    role = 'predicted'
    if (from) opener = from
    if (!dialog.open) {
      say('')
      dialog.showModal()
      stage.focus()
    }
    const models = viewing.models.length > 1 ? viewing.models : []
    part('models').replaceChildren(...models.map((item, index) => {
      const button = element('button', '', item.name)
      Object.assign(button, { type: 'button', title: item.name, onclick: () => chooseModel(index) })
      return button
    }))
    part('models').hidden = !models.length
    part('act').hidden = !viewing.action
    part('act').textContent = viewing.action
    show()
  }

  function chooseModel(index) {
    model = index
    show()
  }

  function move(step) {
    const to = at + step
    if (to >= 0 && to < viewing.keys.length) {
      at = to
      role = typeof role === 'number' ? 'predicted' : role
      return show()
    }
    const number = viewing.first + to
    if (number >= 1 && number <= viewing.total) tell('turn', { viewing, step: Math.sign(step) })
    else say(step > 0 ? 'This is the last image.' : 'This is the first image.')
  }

  async function show() {
    const mine = ++turn, url = aboutUrl(at)
    sessionStorage.setItem(WALK, JSON.stringify({ ...viewing, path: location.pathname }))
    history.replaceState(history.state, '', linked(key()))
    place = location.href
    const number = viewing.first + at
    part('place').textContent = [number, viewing.total].map(n => n.toLocaleString('en')).join(' of ')
    part('previous').disabled = number <= 1
    part('next').disabled = number >= viewing.total
    for (const [index, button] of [...part('models').children].entries()) {
      button.setAttribute('aria-pressed', index === model)
    }
    dialog.setAttribute('aria-busy', view?.key !== key())
    let loaded
    try {
      loaded = await abouts.get(url)
    } catch {
      loaded = { problem: 'No connection to the server.', title: 'Not shown', icon: 'cloud_off' }
    }
    if (mine !== turn) return
    dialog.dataset.heat = 'awaited'
    const isOther = view?.key !== loaded.key
    view = loaded
    dialog.setAttribute('aria-busy', false)
    if (isOther) clearTrial()
    drawWords()
    await drawImage(mine, isOther)
    if (mine !== turn) return
    if (view.result?.final && !view.problem) drawFinal(mine)
    await drawHeat()
    if (mine !== turn) return
    if (view.result && !view.problem) drawAlike(mine)
    prefetch()
  }

  function prefetch() {
    for (const index of [at + 1, at - 1]) {
      if (index < 0 || index >= viewing.keys.length) continue
      abouts.get(aboutUrl(index)).then(next => {
        if (next.full && !next.problem) new Image().src = next.full
        if (next.result && isHot(next) && chosenMethod(next).is_quick) {
          heats.get(heatUrl(next)).catch(() => {})
        }
      }, () => {})
    }
  }

  dialog.addEventListener('close', () => {
    turn++
    heatTurn++
    heatIfWrong = true
    const last = viewing ? key() : null
    const isOurs = history.state?.touchstoneImage && new URL(location).searchParams.has('image')
    if (isOurs) history.back()
    else history.replaceState(history.state, '', linked(null))
    sessionStorage.removeItem(WALK)
    if (!isOurs) place = location.href
    view = null
    for (const sheet of sheets) sheet.dataset.late = '1'
    for (const image of root.querySelectorAll('.image')) {
      image.removeAttribute('src')
      image.alt = ''
    }
    for (const name of ['title', 'name', 'problem', 'note']) part(name).textContent = ''
    const detail = { key: last, viewing, isTaken: false }
    tell('closed', detail)
    if (!detail.isTaken && opener?.isConnected) opener.focus({ preventScroll: true })
    opener = null
    if (edited) send?.('edited', { ...edited, at: Date.now() })
    edited = null
  })

  // ---- drawing

  function drawWords() {
    dialog.dataset.tone = view.tone ?? ''
    part('verdict').textContent = view.icon ?? ''
    part('title').textContent = view.title
    part('name').textContent = part('name').title = view.name ?? ''
    part('problem').textContent = view.problem ?? ''
    part('leave').hidden = !view.problem || Boolean(view.key)  // there is nothing to see at all
    part('note').textContent = view.note ?? ''
    const hasResult = Boolean(view.result) && !view.problem
    part('explain').hidden = part('whatif').hidden = !hasResult
    part('answer').hidden = part('alike').hidden = !view.result
    part('tiles').replaceChildren()
    part('none').textContent = ''
    part('zoom').hidden = Boolean(view.problem)
    drawBars()
    drawCorrections()
    const rows = (view.rows ?? []).flatMap(([name, value]) =>
      [element('dt', '', name), element('dd', '', value)])
    part('facts').replaceChildren(...rows)
    const past = view.history ?? []
    part('history').replaceChildren(...past.map(line => element('li', '', line)))
    part('past').hidden = !past.length
    part('more').hidden = !rows.length
    part('more').open = settings.more || !view.result
  }

  function drawBars() {
    const chosen = chosenClass()
    const bars = (view.result?.bars ?? []).map(bar => {
      const button = element('button')
      button.type = 'button'
      button.setAttribute('aria-pressed', bar.index === chosen)
      const who = element('span', 'who', bar.name)
      for (const word of bar.roles) who.append(element('small', '', word))
      const fill = element('span', 'fill'), now = trial.said
      fill.style.width = 100 * (now ? now.confidences[bar.index] : bar.confidence) + '%'
      const before = trial.start?.words[bar.index] ?? bar.words
      const words = now ? `${before} → ${now.words[bar.index]}` : bar.words
      const line = element('span', 'line')
      line.append(fill)
      button.append(who, element('span', 'words', words), line)
      button.onclick = () => {
        role = bar.roles[0] ?? bar.index
        drawBars()
        drawHeat()
      }
      return button
    })
    part('bars').replaceChildren(...bars)
  }

  function chosenClass(of = view) {
    const bars = of.result?.bars ?? []
    if (typeof role === 'number') return role
    return (bars.find(bar => bar.roles.includes(role)) ?? bars[0])?.index
  }

  // The one that was chosen last; else the first one, which is the best for this model.
  function chosenMethod(of = view) {
    const methods = of.result.methods
    return methods.find(item => item.key === settings.method) ?? methods[0]
  }

  const heatUrl = of =>
    `${of.result.heat}&class=${chosenClass(of)}&method=${chosenMethod(of).key}`

  function drawMethods() {
    const chosen = chosenMethod()
    part('methods').replaceChildren(...view.result.methods.map(item => {
      const button = element('button', '', item.label)
      Object.assign(button, { type: 'button', title: [item.help, item.note].join(' ').trim() })
      Object.assign(button.dataset, { method: item.key, weak: item.is_weak ? '1' : '' })
      button.setAttribute('aria-pressed', item === chosen)
      if (item.is_recommended) button.append(' ', element('small', '', 'recommended'))
      return button
    }))
    const link = element('a', '', chosen.note || 'Not tested for this model. Test the heatmaps')
    link.href = view.result.tests
    part('grade').replaceChildren(link)
  }

  // Who may not correct or mark reads why on the button.
  function lock(control, refusal, tip) {
    control.disabled = Boolean(refusal)
    control.title = refusal ?? tip
  }

  function drawCorrections() {
    const names = view.dataset || view.answer ? view.classes : []
    part('lead').hidden = !names.length
    part('classes').replaceChildren(...names.slice(0, MOST_KEYED).map((name, index) => {
      const button = element('button')
      button.type = 'button'
      lock(button, data.refusal, 'The correct class is ' + name)
      button.setAttribute('aria-pressed', name === view.label)
      button.append(element('kbd', '', String(index + 1)), element('span', 'who', name))
      button.onclick = () => relabel(index)
      return button
    }))
    part('other').hidden = names.length <= MOST_KEYED
    lock(part('other'), data.refusal, '')
    part('other').replaceChildren(new Option('Another class …', ''),
      ...names.slice(MOST_KEYED).map((name, index) => new Option(name, index + MOST_KEYED)))
    part('marks').replaceChildren(...(view.dataset ? data.marks : []).map(mark => {
      const button = element('button')
      button.type = 'button'
      lock(button, mark.refusal, mark.help)
      button.setAttribute('aria-pressed', view.marks.includes(mark.kind))
      const icon = element('span', 'icon', mark.icon)
      icon.setAttribute('aria-hidden', 'true')
      button.append(icon, mark.label, element('kbd', '', mark.key))
      button.onclick = () => toggleMark(mark)
      return button
    }))
    const exclude = root.querySelector('[data-do=exclude]')
    const icon = element('span', 'icon', view.excluded ? 'restore_from_trash' : 'block')
    icon.setAttribute('aria-hidden', 'true')
    exclude.replaceChildren(icon, view.excluded ? 'Include again' : 'Exclude', element('kbd', '', 'X'))
    exclude.hidden = root.querySelector('[data-do=undo]').hidden = !view.dataset
    lock(exclude, data.refusal, 'Leave out of the dataset; the file stays stored')
    lock(root.querySelector('[data-do=undo]'), data.refusal, 'Undo the last correction made here')
    if (!undoable.length) root.querySelector('[data-do=undo]').disabled = true
  }

  async function drawImage(mine, isOther) {
    const address = settings.mode === 'input' && view.result ? view.result.input : view.full
    const mixed = part('mixed').querySelector('.image'), bare = part('bare').querySelector('.image')
    dialog.dataset.mode = view.result ? settings.mode : 'over'
    for (const button of root.querySelectorAll('[data-mode]')) {
      if (button !== dialog) button.setAttribute('aria-pressed', button.dataset.mode === settings.mode)
    }
    if (view.problem) {
      for (const sheet of sheets) sheet.dataset.late = '1'
      return
    }
    if (isOther) for (const sheet of sheets) sheet.dataset.late = '1'
    mixed.alt = bare.alt = view.name
    if (mixed.getAttribute('src') !== address) mixed.src = address
    if (settings.mode === 'beside') bare.src = view.full
    try {
      await mixed.decode()
    } catch {
      if (mine === turn) part('problem').textContent = 'The image could not be loaded.'
      return
    }
    if (mine !== turn) return
    if (isOther || camera.fits) fit()
    else layOut()
    for (const sheet of sheets) sheet.dataset.late = ''
  }

  async function drawHeat() {
    const mine = ++heatTurn, canvas = part('heat'), isOn = isHot(view)
    const shown = isOn && view?.result && !view.problem
    dialog.dataset.heat = shown ? 'awaited' : 'off'
    part('square').hidden = !shown
    root.querySelector('[data-do=heat]').setAttribute('aria-checked', isOn)
    part('opacity').hidden = !isOn
    if (view?.result) drawMethods()
    const status = part('status'), tag = part('mixed').querySelector('.tag')
    status.textContent = ''
    tag.textContent = settings.mode === 'input' && view?.result ? 'Network input' : ''
    if (!shown) return
    part('square').style.opacity = 0
    const slow = setTimeout(() => { status.textContent = 'Computing …' }, 150)
    try {
      const heat = await heats.get(heatUrl(view))
      if (mine !== heatTurn) return
      const bar = view.result.bars.find(item => item.index === chosenClass())
      paint(canvas, heat, data.colours[settings.colours] ?? data.colours.heat)
      const lines = data.contours.map(level => outline(heat, level)).join('')
      part('contours').setAttribute('viewBox', `0 0 ${heat.side} ${heat.side}`)
      for (const name of ['halo', 'ink']) part(name).setAttribute('d', lines)
      part('square').style.opacity = 1
      setOpacity()
      status.textContent = heat.highest ? '' : 'Nothing speaks for it'
      const whose = view.result.final ? ', final model' : ''
      tag.textContent = (tag.textContent ? tag.textContent + ' · evidence for ' : 'Evidence for ') + bar.name + whose
      dialog.dataset.heat = 'shown'
    } catch (error) {
      const why = error.isAnswer ? error.message : 'No heatmap: the server did not answer'
      if (mine === heatTurn) status.textContent = why
    } finally {
      clearTimeout(slow)
      if (mine === heatTurn && status.textContent === 'Computing …') status.textContent = ''
    }
  }

  // What the final model says, where the bars are of one that had not seen the image.
  async function drawFinal(mine) {
    try {
      const answer = await finals.get(view.result.final)
      if (mine === turn) part('note').textContent = answer.note
    } catch { /* the note stays, which says whose the bars are */ }
  }

  // The nearest training images, the second explanation; after the heatmap, as both take turns.
  async function drawAlike(mine) {
    let answer
    try {
      answer = await alikes.get(view.result.alike)
    } catch {
      answer = { images: [], note: 'No answer from the server.' }
    }
    if (mine !== turn) return
    part('none').textContent = answer.note
    part('tiles').replaceChildren(...answer.images.map(item => {
      const link = element('a')
      Object.assign(link, { href: item.page, target: '_blank', title: item.name })
      const image = element('img')
      Object.assign(image, { src: item.thumbnail, alt: item.name, loading: 'lazy' })
      link.append(image, element('span', 'label', item.label))
      return link
    }))
  }

  // The image in full resolution with the heatmap over it, and a line that says what it is.
  async function saveShown() {
    const image = part('mixed').querySelector('.image'), isInput = settings.mode === 'input'
    const wide = image.naturalWidth, high = image.naturalHeight, strip = Math.max(24, Math.round(high / 24))
    const canvas = new OffscreenCanvas(wide, high + strip), context = canvas.getContext('2d')
    context.drawImage(image, 0, 0)
    const whole = [0, 0, 1, 1]
    const boxes = isInput ? [whole, whole] : [view.result.seen, view.result.square]
    const [seen, square] = boxes.map(([left, top, right, bottom]) =>
      [left * wide, top * high, (right - left) * wide, (bottom - top) * high])
    context.save()
    context.beginPath()
    context.rect(...seen)
    context.clip()
    context.globalAlpha = settings.opacity / 100
    context.drawImage(part('heat'), ...square)
    context.restore()
    context.fillStyle = '#fff'
    context.fillRect(0, high, wide, strip)
    context.fillStyle = '#000'
    context.font = `${Math.round(0.5 * strip)}px sans-serif`
    const evidence = part('mixed').querySelector('.tag').textContent
    const words = [view.name, view.title, `${evidence} (${chosenMethod().label})`].join(' · ')
    context.fillText(words, 8, high + 0.68 * strip, wide - 16)
    const link = element('a')
    link.href = URL.createObjectURL(await canvas.convertToBlob({ type: 'image/png' }))
    link.download = (view.name.split('/').pop() || 'image').replace(/\.[^.]*$/, '') + ' heatmap.png'
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), GONE_MS)
  }

  // ---- what if: changed copies of the image in view, asked one at a time, the newest last

  function clearTrial() {
    Object.assign(trial, { cover: null, covering: false, said: null, start: null, late: false })
    trial.turn++
    for (const slider of sliders) slider.value = slider.defaultValue
    drawTrial()
  }

  function drawTrial() {
    for (const slider of sliders) {
      const value = Number(slider.value), isShare = slider.dataset.change === 'crop'
      slider.nextElementSibling.textContent = isShare ? Math.round(100 * value) + '%' : String(value)
    }
    const cover = part('cover'), box = trial.cover
    cover.hidden = !box || settings.mode === 'input'
    if (box) {
      const [left, top, right, bottom] = box.map(value => 100 * value)
      Object.assign(cover.style, { left: left + '%', top: top + '%', width: right - left + '%',
        height: bottom - top + '%' })
    }
    root.querySelector('[data-do=cover]').setAttribute('aria-pressed', trial.covering)
    stage.dataset.covering = trial.covering ? '1' : ''
    const said = trial.said
    part('changed').hidden = !said
    if (said) {
      part('changed').querySelector('img').src = said.image
      part('changed').querySelector('p').textContent = [said.title, said.note].filter(Boolean).join('\n')
    }
  }

  async function tryOut() {
    const changed = sliders.filter(slider => Number(slider.value) !== Number(slider.defaultValue))
    if (!changed.length && !trial.cover) {
      trial.said = null
      trial.late = false
      drawTrial()
      return drawBars()
    }
    drawTrial()
    if (trial.busy) { trial.late = true; return }
    const asked = new URLSearchParams(changed.map(slider => [slider.dataset.change, slider.value]))
    if (trial.cover) asked.set('cover', trial.cover.map(value => value.toFixed(4)).join(','))
    const mine = trial.turn
    trial.busy = true
    let said
    try {
      const start = view.result.final ? await finals.get(view.result.final) : null
      said = await (await fetch(`${view.result.what_if}&${asked}`)).json()
      if (mine === trial.turn) trial.start = start
    } catch {
      said = { error: 'No answer from the server.' }
    }
    trial.busy = false
    if (trial.late) { trial.late = false; return tryOut() }
    if (mine !== trial.turn || !dialog.open) return
    if (said.error) return say(said.error, true)
    trial.said = said
    drawTrial()
    drawBars()
  }

  function atFraction(event) {
    const box = part('mixed').getBoundingClientRect(), [w, h] = extent()
    const at = (value, start, size) => Math.min(1, Math.max(0, (value - start) / (size * camera.scale)))
    return [at(event.clientX - box.left, camera.x, w), at(event.clientY - box.top, camera.y, h)]
  }

  function coverTo(event) {
    const [x, y] = atFraction(event), [fromX, fromY] = trial.from
    trial.cover = [Math.min(x, fromX), Math.min(y, fromY), Math.max(x, fromX), Math.max(y, fromY)]
    drawTrial()
  }

  function setOpacity() {
    settings.opacity ??= data.opacity
    part('heat').style.opacity = settings.opacity / 100
    part('contours').style.opacity = settings.opacity > 0 ? 1 : 0
    part('opacity').querySelector('input').value = settings.opacity
    part('colours').value = settings.colours
  }

  // ---- zoom: sizes and places in CSS pixels of the pane, the same in both panes

  function extent() {
    if (settings.mode === 'input' && view.result) return [view.result.side, view.result.side]
    return view.size
  }

  function fit() {
    const box = part('mixed').getBoundingClientRect(), [w, h] = extent()
    camera.scale = Math.min(box.width / w, box.height / h, LARGEST)
    camera.x = (box.width - w * camera.scale) / 2
    camera.y = (box.height - h * camera.scale) / 2
    camera.fits = true
    layOut()
  }

  function layOut() {
    if (!view?.size) return
    const [w, h] = extent(), isInput = settings.mode === 'input' && view.result
    for (const sheet of sheets) {
      Object.assign(sheet.style, { left: camera.x + 'px', top: camera.y + 'px',
        width: w * camera.scale + 'px', height: h * camera.scale + 'px' })
      sheet.dataset.fine = camera.scale >= FINE_FROM ? '1' : ''
    }
    part('scale').textContent = Math.round(100 * camera.scale) + '%'
    if (!view.result) return
    const whole = [0, 0, 1, 1]
    const [seen, square] = isInput ? [whole, whole] : [view.result.seen, view.result.square]
    const percent = value => 100 * value + '%'
    const across = seen[2] - seen[0], down = seen[3] - seen[1]
    Object.assign(part('seen').style, { left: percent(seen[0]), top: percent(seen[1]),
      width: percent(across), height: percent(down) })
    part('seen').dataset.part = seen.every((v, i) => Math.abs(v - whole[i]) < 0.002) ? '' : '1'
    Object.assign(part('square').style, { left: percent((square[0] - seen[0]) / across),
      top: percent((square[1] - seen[1]) / down), width: percent((square[2] - square[0]) / across),
      height: percent((square[3] - square[1]) / down) })
  }

  function zoomBy(factor, x, y) {
    const box = part('mixed').getBoundingClientRect(), [w, h] = extent()
    const least = Math.min(1, box.width / w, box.height / h) / 2
    const scale = Math.min(LARGEST, Math.max(least, camera.scale * factor))
    const px = x ?? box.width / 2, py = y ?? box.height / 2
    camera.x = px - (px - camera.x) * scale / camera.scale
    camera.y = py - (py - camera.y) * scale / camera.scale
    camera.scale = scale
    camera.fits = false
    layOut()
  }

  const inPane = event => {
    const box = (event.target.closest('.pane') ?? part('mixed')).getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }
  stage.addEventListener('wheel', event => {
    event.preventDefault()
    if (view?.size && !view.problem) zoomBy(Math.exp(-event.deltaY * 0.0015), ...inPane(event))
  }, { passive: false })
  stage.addEventListener('dblclick', event => {
    if (!event.target.closest('button')) camera.fits ? zoomBy(1 / camera.scale * 2, ...inPane(event)) : fit()
  })
  const pointers = new Map()
  let began = null
  stage.addEventListener('pointerdown', event => {
    if (event.target.closest('button') || event.button > 0) return
    stage.setPointerCapture(event.pointerId)
    if (trial.covering) { trial.from = atFraction(event); return }
    pointers.set(event.pointerId, event)
    began = { x: event.clientX, y: event.clientY, fits: camera.fits }
    stage.dataset.moving = '1'
  })
  stage.addEventListener('pointermove', event => {
    if (trial.from) return coverTo(event)
    const before = pointers.get(event.pointerId)
    if (!before || !view?.size) return
    const other = [...pointers.values()].find(item => item.pointerId !== event.pointerId)
    pointers.set(event.pointerId, event)
    if (other) {
      const gap = item => Math.hypot(item.clientX - other.clientX, item.clientY - other.clientY)
      zoomBy(gap(event) / Math.max(1, gap(before)), ...inPane(event))
      return
    }
    if (began?.fits && event.pointerType === 'touch') return  // a swipe walks
    camera.x += event.clientX - before.clientX
    camera.y += event.clientY - before.clientY
    camera.fits = false
    layOut()
  })
  const lift = event => {
    if (trial.from) {
      coverTo(event)
      const [left, top, right, bottom] = trial.cover
      if (right - left < 0.005 || bottom - top < 0.005) trial.cover = null
      Object.assign(trial, { from: null, covering: false })
      return tryOut()
    }
    if (!pointers.delete(event.pointerId)) return
    const across = event.clientX - began.x, down = event.clientY - began.y
    const isSwipe = began.fits && event.pointerType === 'touch' && !pointers.size
    if (isSwipe && Math.abs(across) > 60 && Math.abs(across) > 2 * Math.abs(down)) move(across > 0 ? -1 : 1)
    stage.dataset.moving = ''
  }
  stage.addEventListener('pointerup', lift)
  stage.addEventListener('pointercancel', lift)
  new ResizeObserver(() => { if (dialog.open && camera.fits && view?.size) fit() }).observe(stage)

  // ---- corrections: sent at once and in order, beside Streamlit

  async function post(url, body) {
    for (let tries = 1; ; tries++) {
      try {
        const response = await fetch(url, { method: 'POST', keepalive: true,
          headers: { 'content-type': 'application/json', [data.header]: '1' },
          body: JSON.stringify(body) })
        return await response.json()
      } catch (error) {
        // An undo is not repeated: it may have been done before the connection was lost.
        if (tries >= TRIES || body.edits?.[0].action === 'undo') throw error
        say('No connection. Trying again …', true)
        await new Promise(done => setTimeout(done, RETRY_MS))
      }
    }
  }

  function save(dataset, edit, about) {
    saving = saving.then(async () => {
      const shown = viewing.kind === 'pictures' ? viewing.keys.map(Number) : []
      try {
        const near = shown.slice(Math.max(0, at - 60), at + 60)
        const answer = await post(`/datasets/${encodeURIComponent(dataset)}/edits`,
          { edits: [edit], shown: near })
        if (answer.error || answer.failed) return say(answer.error ?? answer.messages.join(' · '), true)
        say(answer.messages.join(' · '), answer.voided)
        if (edit.action === 'undo') undoable.pop()
        else undoable.push(about.key)
        edited = { dataset, versions: [...(edited?.versions ?? []), answer.version] }
        tell('edited', { dataset, states: answer.states, version: answer.version })
        forget(about.key)
        if (edit.action === 'undo' && viewing.keys.includes(about.key)) at = viewing.keys.indexOf(about.key)
        if (dialog.open && key() === about.key) await show()
        else if (dialog.open) drawCorrections()
      } catch {
        say('No connection: not saved.', true)
      }
    })
    return saving
  }

  function forget(image) {
    const index = viewing.keys.indexOf(image)
    if (index >= 0) viewing.models.concat([null]).forEach((_, which) => abouts.drop(aboutUrl(index, which)))
  }

  function correct(edit) {
    if (data.refusal) return say(data.refusal, true)
    save(view.dataset, { ids: [Number(view.key)], ...edit }, view)
    if (at + 1 < viewing.keys.length) move(1)
  }

  // Between two images the one before is still seen: a key must not correct either of them.
  const isShown = () => (view?.dataset || view?.answer) && view.key === key()

  function relabel(index) {
    const name = isShown() ? view.classes[index] : undefined
    if (name === undefined) return
    if (view.answer) return answer(name)
    if (name === view.label) say(`The class is ${name} already.`)
    else correct({ action: 'relabel', class_name: name })
  }

  // What a person says that an upload shows; the page counts it once the dialog closes.
  function answer(name) {
    const asked = view, said = name === asked.label ? null : name
    asked.label = said
    drawCorrections()
    saving = saving.then(async () => {
      try {
        const reply = await post(asked.answer, { class_name: said })
        say(reply.error ?? (said ? `Noted: ${said}.` : 'Answer taken back.'), Boolean(reply.error))
        edited ??= { dataset: '', versions: [] }
        forget(asked.key)
      } catch {
        say('No connection: not saved.', true)
      }
    })
    if (said && at + 1 < viewing.keys.length) move(1)
  }

  const exclude = () => view?.dataset && isShown() && correct({ action: view.excluded ? 'restore' : 'exclude' })

  function undo() {
    saving = saving.then(() => {
      if (!undoable.length) return say('Nothing to undo here.')
      const last = undoable.at(-1)
      abouts.get(`/pictures/${encodeURIComponent(last)}/about`).then(about =>
        save(about.dataset, { action: 'undo', ids: [] }, about))
    })
  }

  function toggleMark(mark) {
    if (!isShown()) return
    if (mark.refusal) return say(mark.refusal, true)
    const marked = view, on = !marked.marks.includes(mark.kind)
    marked.marks = on ? [...marked.marks, mark.kind] : marked.marks.filter(kind => kind !== mark.kind)
    drawCorrections()
    saving = saving.then(async () => {
      try {
        const answer = await post(`/pictures/${marked.key}/marks`, { kind: mark.kind, on })
        say(answer.error ?? `${mark.label}: ${on ? 'marked' : 'mark removed'}.`, Boolean(answer.error))
        edited ??= { dataset: marked.dataset, versions: [] }
      } catch {
        say('No connection: not saved.', true)
      }
    })
  }

  // ---- controls and keys

  function change(name, value) {
    settings[name] = value
    localStorage.setItem(SETTINGS, JSON.stringify(settings))
    if (name === 'opacity') setOpacity()
    else if (name === 'mode') { camera.fits = true; drawImage(turn, false).then(drawHeat) }
    else drawHeat()
  }
  const following = (list, value) => list[(list.indexOf(value) + 1) % list.length]

  const actions = {
    close: () => dialog.close(),
    previous: () => move(-1),
    next: () => move(1),
    heat: () => {
      if (view?.tone !== 'wrong') return change('heat', !settings.heat)
      heatIfWrong = !heatIfWrong
      drawHeat()
    },
    smaller: () => zoomBy(1 / 1.5),
    larger: () => zoomBy(1.5),
    fit: () => fit(),
    whole: () => zoomBy(1 / camera.scale),
    exclude,
    undo,
    save: () => dialog.dataset.heat === 'shown' && saveShown(),
    cover: () => {
      if (settings.mode !== 'over') change('mode', 'over')
      trial.covering = !trial.covering
      drawTrial()
    },
    reset: () => { clearTrial(); drawBars() },
    act: () => { tell('act', { viewing, key: key() }); dialog.close() },
  }
  dialog.addEventListener('click', event => {
    const button = event.target.closest('button')
    if (event.target === dialog) dialog.close()
    if (!button) return
    if (button.dataset.do) actions[button.dataset.do]()
    if (button.dataset.mode) change('mode', button.dataset.mode)
    if (button.dataset.method) change('method', button.dataset.method)
  })
  part('opacity').addEventListener('input', event => {
    if (event.target.type === 'range') change('opacity', Number(event.target.value))
  })
  part('colours').addEventListener('change', event => change('colours', event.target.value))
  part('opacity').addEventListener('change', () => stage.focus())
  part('whatif').addEventListener('input', () => tryOut())
  part('other').addEventListener('change', event => {
    if (event.target.value !== '') relabel(Number(event.target.value))
    stage.focus()
  })
  part('more').addEventListener('toggle', () => {
    if (view?.result) settings.more = part('more').open
  })

  host.addEventListener('keydown', event => {
    if (event.key !== '?') event.stopPropagation()  // the page's own keys mean something else
    const isTyping = event.target.closest?.('select') || root.activeElement?.closest('select, input')
    if (isTyping || event.altKey || !view) return
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z'
    if ((event.ctrlKey || event.metaKey) && !isUndo) return
    const name = isUndo ? 'u' : event.key.toLowerCase()
    const mark = view.dataset && data.marks.find(item => item.key.toLowerCase() === name)
    const keys = {
      arrowleft: actions.previous, arrowright: actions.next, x: exclude, u: undo, h: actions.heat,
      v: () => view.result && change('mode', following(MODES, settings.mode)),
      m: () => view.result && change('method',
        following(view.result.methods.map(item => item.key), chosenMethod().key)),
      i: () => {
        part('more').open = !part('more').open
        if (part('more').open) part('more').scrollIntoView({ block: 'start' })
      },
      '+': actions.larger, '=': actions.larger, '-': actions.smaller, 0: actions.fit,
    }
    if (keys[name]) keys[name]()
    else if (/^[1-9]$/.test(name)) relabel(Number(name) - 1)
    else if (mark) toggleMark(mark)
    else return
    event.preventDefault()
  })

  return {
    connect(newData, element, setTriggerValue) {
      data = newData
      send = setTriggerValue
      clearTimeout(gone)
      const style = getComputedStyle(element)
      for (const name of THEME) {
        host.style.setProperty('--st-' + name, style.getPropertyValue('--st-' + name))
      }
      host.style.colorScheme = style.colorScheme
      setOpacity()
      if (!dialog.open) place = location.href
      const wanted = new URL(location).searchParams.get('image')
      // Uploads are gone with the page that held them; it says so itself.
      const isSample = /^\d+$/.test(wanted ?? '')
      if (!triedLink && isSample && !dialog.open) openLinked(wanted)
      triedLink = true
      return () => {
        // Why later: Streamlit may take the component away and bring it back in one rerun.
        gone = setTimeout(() => { if (dialog.open) dialog.close() }, GONE_MS)
      }
    },
  }
}
