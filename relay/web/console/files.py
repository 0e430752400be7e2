"""Style and scripts: read once, and never asked for again by a browser that has them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from aiohttp import web

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_GOOD = "public, max-age=31536000, immutable"
_FOLDER = Path(__file__).parent / "static"


class Files:
    """Of the folder `static`, by names that tell what is in them."""

    def __init__(self) -> None:
        found = [path for path in sorted(_FOLDER.rglob("*")) if path.suffix in _TYPES]
        self._contents = {str(path.relative_to(_FOLDER)): path.read_bytes() for path in found}
        self._versions = {name: sha256(content).hexdigest()[:16] for name, content in self._contents.items()}

    def path(self, name: str) -> str:
        """Where a file is, as it is now."""
        return f"/static/{name}?v={self._versions[name]}"

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/static/{name:.+}", self._show)]

    async def _show(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._contents:
            raise web.HTTPNotFound
        is_meant = request.query.get("v") == self._versions[name]  # and not that of another node, which is being renewed
        headers = {"Cache-Control": _FOR_GOOD if is_meant else "no-store", "X-Content-Type-Options": "nosniff"}
        kind = _TYPES[Path(name).suffix]
        answer = web.Response(body=self._contents[name], content_type=kind, charset="utf-8", headers=headers)
        answer.enable_compression()
        return answer
