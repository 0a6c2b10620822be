"""People at a running app without a browser: live connections that speak Streamlit's own protocol.

Why no browser: ten of them take more of a small machine than the server that is measured. A session
opens pages by their links, changes boxes, follows the parts of a page that refresh themselves and
asks for the pictures of galleries, as a browser does; what it does not do is draw.
"""

import contextlib
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

ANSWER_S = 60.0
Parameters: TypeAlias = Mapping[str, str]


@dataclass
class Reaction:
    """One answer of the server: to what, after how many seconds, counted from when."""

    what: str
    seconds: float
    at: float


@dataclass
class Timer:
    """A part of a page that asks to be run again."""

    every_s: float
    due: float


@dataclass
class Session:
    """One person: what is open, what can be changed on it, and how the server answered."""

    url: str
    reactions: list[Reaction] = field(default_factory=list)
    refreshes: list[Reaction] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    page: str = ""
    query: str = ""
    widgets: dict[str, WidgetState] = field(default_factory=dict)
    boxes: dict[str, Element] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)  # the timers of the run that is answered
    socket: ClientConnection | None = None
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def enter(self) -> None:
        """Open the app at its first page."""
        address = self.url.replace("http", "ws", 1) + "/_stcore/stream"
        names = [Subprotocol("streamlit")]
        self.socket = self.opened.enter_context(
            connect(address, origin=self.url, subprotocols=names, max_size=None)
        )
        self._react("enter", ClientState())

    def leave(self) -> None:
        """Close the tab."""
        self.opened.close()

    def visit(self, page: str, parameters: Parameters) -> None:
        """Follow a link to a page, or to another view of it."""
        if self.pages[page] != self.page:
            self.widgets.clear()
        self.page, self.query = self.pages[page], urlencode(parameters)
        self.boxes.clear()
        self.timers.clear()
        self._react(f"{page}?{self.query}" if parameters else page, self._state())

    def change(self, choose: random.Random) -> None:
        """Change a box of the page, if it has one: a switch, or what is chosen of a list."""
        if not self.boxes:
            return
        key = choose.choice(sorted(self.boxes))
        box = self.boxes[key]
        if box.HasField("checkbox"):
            was = self.widgets[key].bool_value if key in self.widgets else box.checkbox.default
            self.widgets[key] = WidgetState(id=key, bool_value=not was)
        else:
            option = choose.choice(list(box.selectbox.options))
            self.widgets[key] = WidgetState(id=key, string_value=option)
        self._react("a box", self._state())

    def look(self, seconds: float) -> None:
        """Do nothing for a while; what refreshes itself goes on."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            due = [key for key, timer in self.timers.items() if timer.due <= now]
            for key in due:
                if key not in self.timers:
                    continue
                self.timers[key].due = now + self.timers[key].every_s
                state = self._state()
                state.fragment_id, state.is_auto_rerun = key, True
                self._react("refresh", state, self.refreshes)
            time.sleep(min(0.1, until - now))

    def fetch(self, paths: list[str]) -> None:
        """Get the pictures of a gallery."""
        for path in paths:
            started = time.monotonic()
            try:
                with urllib.request.urlopen(self.url + path, timeout=ANSWER_S) as answer:
                    answer.read()
            except (urllib.error.URLError, TimeoutError) as err:
                self.failures.append(f"{path}: {err}")
            self.refreshes.append(Reaction("picture", time.monotonic() - started, started))

    def _state(self) -> ClientState:
        state = ClientState(page_script_hash=self.page, query_string=self.query)
        state.widget_states.widgets.extend(self.widgets.values())
        return state

    def _react(self, what: str, state: ClientState, answers: list[Reaction] | None = None) -> None:
        assert self.socket is not None
        started = time.monotonic()
        try:
            self.socket.send(BackMsg(rerun_script=state).SerializeToString())
            for message in self._until_done():
                self._read(what, message)
        except (TimeoutError, WebSocketException) as err:
            self.failures.append(f"{what}: {type(err).__name__} {err}")
            return
        seconds = time.monotonic() - started
        (self.reactions if answers is None else answers).append(Reaction(what, seconds, started))

    def _until_done(self) -> Iterator[ForwardMsg]:
        assert self.socket is not None
        while True:
            raw = self.socket.recv(timeout=ANSWER_S, decode=False)
            message = ForwardMsg.FromString(bytes(raw))
            yield message
            early = ForwardMsg.FINISHED_EARLY_FOR_RERUN  # another run follows by itself
            if message.HasField("script_finished") and message.script_finished != early:
                return

    def _read(self, what: str, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "navigation":
                self.pages = {
                    "" if page.is_default else page.url_pathname: page.page_script_hash
                    for page in message.navigation.app_pages
                }
                self.page = message.navigation.page_script_hash
            case "new_session":
                self.announced.clear()
            case "script_finished":
                # The server answers nothing to the refresh of a part that is gone.
                if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:  # of a whole page
                    self.timers = {k: t for k, t in self.timers.items() if k in self.announced}
            case "auto_rerun":
                every = message.auto_rerun.interval
                self.announced.add(message.auto_rerun.fragment_id)
                self.timers[message.auto_rerun.fragment_id] = Timer(every, time.monotonic() + every)
            case "stop_auto_rerun":
                for key in message.stop_auto_rerun.fragment_ids:
                    self.timers.pop(key, None)
            case "delta":
                if message.delta.HasField("new_element"):
                    self._read_element(what, message.delta.new_element)
            case _:
                pass

    def _read_element(self, what: str, element: Element) -> None:
        if element.HasField("exception"):
            self.failures.append(f"{what}: {element.exception.type}: {element.exception.message}")
        if element.HasField("alert") and "incident" in element.alert.body:
            self.failures.append(f"{what}: {element.alert.body}")
        if element.HasField("checkbox") and not element.checkbox.disabled:
            self.boxes[element.checkbox.id] = element
        if element.HasField("selectbox") and len(element.selectbox.options) > 1:
            self.boxes[element.selectbox.id] = element


def resident_mb(pid: int) -> float:
    """Memory of a process in MB, what it shares with others included; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    size = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS 0 kB")
    return float(size.split()[1]) / 1000


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            # The name may hold blanks and brackets; what follows the last one is numbers.
            parents[int(place.name)] = int(
                (place / "stat").read_text().rpartition(")")[2].split()[1]
            )
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]
