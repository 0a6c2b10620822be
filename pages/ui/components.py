"""Small components of ours: a chart that can be clicked and updated, a gallery, a ZIP upload.

Streamlit's own charts report no clicks on heatmaps and flicker when data changes; its uploader
holds whole files in memory.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st

from pages.ui.routes import MAX_ZIP_BYTES, UPLOAD_HEADER

_CHART_JS = """
const scripts = {}
const mounted = new WeakMap()
function load(url) {
  return scripts[url] ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly)
    const script = document.createElement('script')
    script.src = url
    script.onload = () => resolve(window.Plotly)
    script.onerror = reject
    document.head.append(script)
  })
}
// Plotly follows the window only, but folding the menu away widens the page as well.
const widths = new ResizeObserver(entries => entries.forEach(({ target: el }) => {
  const drawn = el._fullLayout?.width, width = el.clientWidth
  if (drawn && width && Math.abs(width - drawn) > 1) window.Plotly.Plots.resize(el)
}))
function listen(el, pick) {
  mounted.set(el, true)
  el.tabIndex = 0
  el.setAttribute('role', 'application')
  // The time makes every click an event, also one on the cell that is open already.
  const choose = (row, column) => { el._cell = [row, column]; pick([row, column, Date.now()]) }
  el.addEventListener('keydown', event => {
    if (!event.key.startsWith('Arrow')) return
    event.preventDefault()
    const [rows, columns] = el._grid
    const clamp = (value, count) => Math.max(0, Math.min(count - 1, value))
    const [row, column] = el._cell ?? (columns > 1 ? [0, -1] : [-1, 0])
    choose(clamp(row + (event.key === 'ArrowDown') - (event.key === 'ArrowUp'), rows),
           clamp(column + (event.key === 'ArrowRight') - (event.key === 'ArrowLeft'), columns))
  })
  // Plotly covers the page while a button is pressed, so the release is awaited on the window.
  el.addEventListener('pointerdown', down => window.addEventListener('pointerup', up => {
    if (up.pointerId !== down.pointerId) return
    if (Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY) > 6) return
    const layout = el._fullLayout, box = el.getBoundingClientRect(), [rows, columns] = el._grid
    const x = up.clientX - box.left - layout.xaxis._offset
    const column = columns > 1 ? Math.round(layout.xaxis.p2d(x)) : 0
    const row = Math.round(layout.yaxis.p2d(up.clientY - box.top - layout.yaxis._offset))
    if (row >= 0 && column >= 0 && row < rows && column < columns) choose(row, column)
  }, { once: true, capture: true }))
}
// A drawn selection is reported with the sample ids that the points carry.
function listenToSelection(el, report) {
  mounted.set(el, true)
  el.on('plotly_selected', event => {
    if (event?.points) report({ ids: event.points.map(point => point.customdata) })
  })
  el.on('plotly_deselect', () => report(null))
}
export default function ({ data, parentElement, setStateValue }) {
  const el = parentElement.querySelector('.ts-chart')
  const figure = JSON.parse(data.figure)
  figure.layout.uirevision ??= 'keep'
  el.style.minHeight = (figure.layout.height ?? 300) + 'px'
  load(data.library).then(async Plotly => {
    await Plotly.react(el, figure.data, figure.layout, { responsive: true, displaylogo: false,
      displayModeBar: Boolean(data.select), scrollZoom: Boolean(data.select || data.zoom),
      modeBarButtonsToRemove: ['sendChartToCloud', 'toImage', 'autoScale2d'] })
    el.setAttribute('aria-label', data.description)
    widths.observe(el)
    if (data.cell) el._cell = data.cell
    el._grid = data.grid
    if (data.pick && !mounted.has(el)) listen(el, cell => setStateValue('cell', cell))
    if (data.select && !mounted.has(el)) {
      listenToSelection(el, chosen => setStateValue('chosen', chosen))
    }
  })
  return () => { widths.unobserve(el); window.Plotly?.purge(el) }
}
"""

_CHART_CSS = """
.ts-chart { width: 100%; }
.ts-chart:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""

_GALLERY_JS = """
function tile(item) {
  const button = document.createElement('button')
  button.type = 'button'
  button.dataset.key = item.key
  button.dataset.tone = item.tone
  button.setAttribute('aria-label', item.title + ' ' + item.detail)
  const frame = document.createElement('span')
  frame.className = 'frame'
  const image = document.createElement('img')
  image.loading = 'lazy'
  image.decoding = 'async'
  image.alt = ''
  image.onerror = () => { image.remove(); frame.textContent = 'file missing' }
  if (item.url) { image.src = item.url; frame.append(image) }
  else frame.textContent = 'cannot be read'
  const title = document.createElement('span')
  title.className = 'title'
  title.textContent = item.title
  const detail = document.createElement('span')
  detail.className = 'detail'
  detail.textContent = item.detail
  button.append(frame, title, detail)
  button.title = item.hint
  return button
}
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.ts-gallery')
  root.style.setProperty('--side', data.side + 'px')
  const signature = JSON.stringify(data.items)
  if (root.dataset.signature !== signature) {
    root.dataset.signature = signature
    // An image that was there already is not loaded again: most only move by one place.
    const before = root._tiles
    root._tiles = new Map(data.items.map(item => {
      const key = JSON.stringify(item)
      return [key, before?.get(key) ?? tile(item)]
    }))
    root.replaceChildren(...root._tiles.values())
  }
  root.onclick = event => {
    const button = event.target.closest('button')
    if (button) setTriggerValue('open', button.dataset.key)
  }
}
"""

_GALLERY_CSS = """
.ts-gallery { display: grid; gap: 10px;
  grid-template-columns: repeat(auto-fill, minmax(var(--side, 120px), 1fr)); }
.ts-gallery button { padding: 4px; border: 1px solid var(--st-border-color); border-radius: 8px;
  background: var(--st-background-color); cursor: pointer; text-align: left; min-width: 0;
  color: var(--st-text-color); font: inherit; display: flex; flex-direction: column; gap: 1px; }
.ts-gallery button:hover { border-color: var(--st-primary-color); }
.ts-gallery button:focus-visible { outline: 3px solid var(--st-primary-color); }
.ts-gallery button[data-tone=wrong] { border-color: #d1495b; box-shadow: inset 0 0 0 1px #d1495b; }
.ts-gallery .frame { aspect-ratio: 1; display: grid; place-items: center; overflow: hidden;
  border-radius: 5px; background: var(--st-secondary-background-color); font-size: 11px;
  opacity: 1; }
.ts-gallery img { width: 100%; height: 100%; object-fit: contain; display: block; }
.ts-gallery .title, .ts-gallery .detail { overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; font-size: 12px; line-height: 1.35; padding: 0 2px; }
.ts-gallery .title { font-weight: 600; margin-top: 3px; }
.ts-gallery .detail { opacity: .72; min-height: 1.35em; }
"""

_UPLOAD_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.ts-upload')
  const input = root.querySelector('input'), text = root.querySelector('.text')
  const bar = root.querySelector('progress'), cancel = root.querySelector('.cancel')
  let request = null
  const say = message => { text.textContent = message }
  const send = file => {
    if (!file || request) return
    if (!file.name.toLowerCase().endsWith('.zip')) return say('Please choose a .zip file.')
    if (file.size > data.limit) return say('This ZIP is larger than ' +
      (data.limit / 1e9).toFixed(1) + ' GB. Import a folder on the server instead.')
    request = new XMLHttpRequest()
    request.open('POST', data.url)
    request.setRequestHeader(data.header, '1')
    const began = performance.now()
    request.upload.onprogress = event => {
      bar.hidden = cancel.hidden = false
      bar.value = event.loaded / event.total
      const seconds = (performance.now() - began) / 1000
      const left = seconds / event.loaded * (event.total - event.loaded)
      say(file.name + ': ' + (event.loaded / 1e6).toFixed(0) + ' of ' +
          (event.total / 1e6).toFixed(0) + ' MB, ' + left.toFixed(0) + ' s left')
    }
    const end = message => { bar.hidden = cancel.hidden = true; request = null; say(message) }
    request.onload = () => {
      let answer = {}
      try { answer = JSON.parse(request.responseText) } catch (error) { answer = {} }
      if (request.status === 200) {
        end(file.name + ' was uploaded.')
        setTriggerValue('uploaded', { upload: answer.upload, name: file.name })
      } else end(answer.error ?? 'The server refused the upload (' + request.status + ').')
    }
    request.onerror = () => end('The connection was lost; nothing was stored. Try again.')
    request.onabort = () => end('Stopped; nothing was stored.')
    request.send(file)
  }
  root.onclick = event => {
    if (event.target === cancel) { request?.abort() } else if (event.target !== input && !request) {
      input.value = ''; input.click()
    }
  }
  input.onchange = () => send(input.files[0])
  root.ondragover = event => { event.preventDefault(); root.dataset.over = '1' }
  root.ondragleave = () => { delete root.dataset.over }
  root.ondrop = event => {
    event.preventDefault(); delete root.dataset.over; send(event.dataTransfer.files[0])
  }
}
"""

_UPLOAD_HTML = """
<div class="ts-upload">
  <input type="file" accept=".zip" hidden />
  <button type="button">Choose a ZIP file</button>
  <span class="text">or drop it here: one folder per class inside, up to 2 GB</span>
  <progress max="1" value="0" hidden></progress>
  <button type="button" class="cancel" hidden>Stop</button>
</div>
"""

_UPLOAD_CSS = """
.ts-upload { display: flex; flex-wrap: wrap; align-items: center; gap: 12px; padding: 18px;
  border: 1px dashed var(--st-border-color); border-radius: 8px; cursor: pointer;
  background: var(--st-secondary-background-color); color: var(--st-text-color);
  font-family: var(--st-font); font-size: 14px; }
.ts-upload[data-over] { border-color: var(--st-primary-color); }
.ts-upload button { font: inherit; padding: 6px 14px; border-radius: 8px; cursor: pointer;
  border: 1px solid var(--st-border-color); background: var(--st-background-color);
  color: var(--st-text-color); }
.ts-upload button[hidden], .ts-upload progress[hidden] { display: none; }
.ts-upload progress { flex: 1 1 100%; height: 8px; accent-color: var(--st-primary-color); }
"""

_chart = st.components.v2.component(
    "touchstone_chart",
    html="<div class='ts-chart'></div>",
    css=_CHART_CSS,
    js=_CHART_JS,
    isolate_styles=False,
)
_gallery = st.components.v2.component(
    "touchstone_gallery",
    html="<div class='ts-gallery' role='group' aria-label='Images'></div>",
    css=_GALLERY_CSS,
    js=_GALLERY_JS,
)
_upload = st.components.v2.component(
    "touchstone_upload", html=_UPLOAD_HTML, css=_UPLOAD_CSS, js=_UPLOAD_JS
)


@dataclass(frozen=True)
class Tile:
    """One image of a gallery; texts are shown literally."""

    key: str
    url: str
    title: str
    detail: str = ""
    hint: str = ""
    tone: Literal["", "wrong"] = ""


def chart(figure: go.Figure, key: str, *, description: str) -> None:
    """A Plotly chart that keeps its zoom and does not flicker when its data changes."""
    _mount_chart(figure, key, description=description)


def selectable_chart(figure: go.Figure, key: str, *, description: str) -> tuple[int, ...] | None:
    """A Plotly chart in which points are chosen by lasso or box; gives their customdata."""
    _mount_chart(figure, key, description=description, select=True)
    chosen = (st.session_state.get(key) or {}).get("chosen")
    return tuple(int(i) for i in chosen["ids"]) if chosen else None


def clickable_matrix(
    figure: go.Figure,
    key: str,
    *,
    description: str,
    cell: tuple[int, int] | None,
    zoom: bool = False,
) -> None:
    """A Plotly heatmap whose cells can be clicked, tapped and reached by arrow keys.

    With `zoom` the wheel looks closer, dragging moves, and a double click shows all again.
    """
    rows = figure.data[0].z
    grid = (len(rows), len(rows[0]))
    _mount_chart(figure, key, description=description, cell=cell, grid=grid, zoom=zoom)


def clickable_rows(
    figure: go.Figure, key: str, *, description: str, rows: int, row: int | None
) -> None:
    """A Plotly chart with one bar per row (y = 0, 1, …) whose rows can be clicked, as cells are."""
    cell = None if row is None else (row, 0)
    _mount_chart(figure, key, description=description, cell=cell, grid=(rows, 1))


def clicked_cell(key: str) -> tuple[int, int, int] | None:
    """Row, column and time of the last click in a matrix; read it before mounting."""
    state = st.session_state.get(key)
    cell = state.get("cell") if state else None
    return (int(cell[0]), int(cell[1]), int(cell[2])) if cell else None


def gallery(tiles: Sequence[Tile], key: str, *, side_px: int = 120) -> str | None:
    """A grid of images; gives the key of the one just clicked, once."""
    answer: Any = _gallery(
        key=key,
        data={"items": [asdict(tile) for tile in tiles], "side": side_px},
        on_open_change=lambda: None,
    )
    return str(answer.open) if answer.open is not None else None


def zip_upload(key: str) -> dict[str, str] | None:
    """An upload that streams to disk; gives `{upload, name}` once when it is complete."""
    answer: Any = _upload(
        key=key,
        data={"url": "/uploads/zip", "header": UPLOAD_HEADER, "limit": MAX_ZIP_BYTES},
        on_uploaded_change=lambda: None,
    )
    return dict(answer.uploaded) if answer.uploaded else None


def _mount_chart(
    figure: go.Figure,
    key: str,
    *,
    description: str,
    cell: tuple[int, int] | None = None,
    grid: tuple[int, int] | None = None,
    select: bool = False,
    zoom: bool = False,
) -> None:
    data = {
        "figure": figure.to_json(),
        "library": "/vendor/plotly.min.js",
        "pick": grid is not None,
        "select": select,
        "zoom": zoom,
        "description": description,
        "cell": list(cell) if cell else None,
        "grid": list(grid) if grid else None,
    }
    _chart(key=key, data=data, on_cell_change=lambda: None, on_chosen_change=lambda: None)
