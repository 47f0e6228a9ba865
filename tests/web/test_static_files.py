"""The built assets are kept for ever under the address of their version, and nowhere else."""

import json
from pathlib import Path
from typing import Any

import pytest

from perch.web.static_files import BUILT, Built


def test_the_address_names_the_version(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "abc123"}))
    assert Built(tmp_path).address("js/app.js") == "/static/abc123/js/app.js"


async def test_a_built_file_is_kept_for_ever_and_an_old_address_is_gone(site: Any) -> None:
    if not (BUILT / "manifest.json").exists():
        pytest.skip("the assets are not built: run make install")
    nobody = site.stranger()
    found = await nobody.get(Built().address("app.css"))
    assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert found.headers["Content-Type"].startswith("text/css")
    assert (await nobody.get("/static/000000000000/app.css")).status == 404
    for path in (
        "..%2f..%2fapp.py",
        "..%2ftemplates/base.html",
        "%2fetc/passwd",
        "manifest.json/../../../app.py",
    ):
        assert (await nobody.get(Built().address(path))).status == 404


async def test_the_style_sheet_names_no_other_site(site: Any) -> None:
    if not (BUILT / "manifest.json").exists():
        pytest.skip("the assets are not built: run make install")
    style = (await site.stranger().get(Built().address("app.css"))).text
    assert "url(http" not in style
    assert "@import" not in style
