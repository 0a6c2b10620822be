"""Starting the server: models loaded first, then requests; it ends after those under way."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import uvicorn
from threadpoolctl import threadpool_limits

from core.evaluation.decisions.rule import DecisionRule
from core.inference.predictor import Predictor
from core.serving.app import create_app
from core.serving.engine import ServedModel
from core.serving.limits import OfUser, ServeLimits
from core.serving.shadow import Shadow

_GRACE_S = 30
_KEEP_ALIVE_S = 30


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, then say where."""
        await super().startup(sockets=sockets)  # type: ignore[arg-type]
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = self.config.host
            self._on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def load(
    model_id: str,
    name: str,
    sha256: str,
    bundle: Path,
    rule: DecisionRule | None,
    runtimes: Path,
) -> ServedModel:
    """A model, loaded and warm.

    Args:
        model_id: as in the answers.
        name: by which requests choose it.
        sha256: of its file without the rule.
        bundle: the model file.
        rule: that decides; None: nothing is decided.
        runtimes: folder of converted networks.

    Raises:
        ModelFileError: if it cannot be used.
    """
    predictor = Predictor.open(bundle, runtimes=runtimes)
    side = predictor.card.preprocess.image_size_px
    predictor.alone(np.zeros((side, side, 3), np.uint8))
    return ServedModel(model_id, name, sha256, predictor, rule)


def serve_until_stopped(
    models: Sequence[ServedModel],
    *,
    host: str,
    port: int,
    version: str,
    limits: ServeLimits,
    token: str | None,
    of_user: OfUser | None = None,
    shadow: Shadow | None = None,
    on_ready: Callable[[str], None],
) -> bool:
    """Serve until a signal ends it; requests under way are answered first.

    Args:
        models: at least one.
        host: address to listen on.
        port: TCP port; 0: any that is free.
        version: of Touchstone.
        limits: of requests.
        token: that requests must carry.
        of_user: which other tokens count, those of users; None: none.
        shadow: a model that runs silently beside one of them.
        on_ready: called with the address once it answers.

    Returns:
        Whether it could listen.
    """
    app = create_app(
        models, version=version, limits=limits, token=token, of_user=of_user, shadow=shadow
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config, on_ready)
    # Why one thread: as in `Predictor.judge`. Ctrl+C has ended it in an orderly way by then.
    with contextlib.suppress(KeyboardInterrupt), threadpool_limits(1):
        server.run()
    return server.started
