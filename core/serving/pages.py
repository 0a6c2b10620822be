"""What a server says of itself: its page for people, and the schema of its one body."""

import html
from collections.abc import Sequence
from typing import Any

_TEXT = {"type": "string"}
OPENAPI_OF_PREDICT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Images: JPEG, PNG, BMP, TIFF, WebP or GIF.",
                        },
                        "parts": {
                            "type": "array",
                            "items": _TEXT,
                            "description": "Id of the part: one for each file, or one for all.",
                        },
                        "model": {**_TEXT, "description": "Name or id; else the first model."},
                    },
                }
            },
            "image/*": {
                "schema": {"type": "string", "format": "binary"},
            },
        },
    },
    "parameters": [
        {"name": name, "in": "query", "schema": _TEXT, "required": False, "description": words}
        for name, words in (
            ("model", "Name or id; else the first model."),
            ("part", "Id of the part, for a single image as body."),
            ("name", "Name of the image in the answer, for a single image as body."),
        )
    ],
    "responses": {
        "200": {"description": "Class, confidences and decision of every image; one per part."},
        "400": {"description": "No image, or parts that do not fit the files."},
        "401": {"description": "The bearer token is missing or wrong."},
        "404": {"description": "No such model is served."},
        "413": {"description": "Too many bytes or images."},
        "415": {"description": "A body of another type."},
        "429": {"description": "Too many images wait; Retry-After says when to try again."},
    },
}


def overview(base: str, models: Sequence[str], version: str) -> str:
    """The page that a browser shows; nothing on it is loaded from elsewhere."""
    listed = "".join(f"<li>{html.escape(name)}</li>" for name in models)
    address = html.escape(base.rstrip("/"))
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Touchstone</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body{{font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}}
pre{{overflow-x:auto;padding:.8rem;border:1px solid #8886;border-radius:8px}}
td{{padding:.2rem 1rem .2rem 0;vertical-align:top}}</style>
<h1>Touchstone {html.escape(version)}</h1><p>Models:</p><ul>{listed}</ul>
<pre>curl -F files=@part17-left.png -F files=@part17-right.png -F parts=17 {address}/v1/predict
curl -H 'Content-Type: image/png' --data-binary @image.png '{address}/v1/predict?part=17'</pre>
<p>With a token, add <code>-H 'Authorization: Bearer …'</code>.</p>
<table><tr><td><code>POST /v1/predict</code><td>Classify images; one decision per part.
<tr><td><code>GET /v1/models</code><td>The models, their classes, thresholds and hashes.
<tr><td><code>GET /health</code><td>Whether the server answers.
<tr><td><code>GET /metrics</code><td>Counters for Prometheus.
<tr><td><a href="/openapi.json"><code>GET /openapi.json</code></a><td>The description for programs.
</table></html>"""
