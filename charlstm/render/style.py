"""The style of what is drawn as HTML and SVG: the colours by day and by night, the shades, and the style sheets."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from charlstm.render.colour import BLUE, ORANGE, WHITE, choose_ink, mix_rgb

STEPS = 20  # shades on either side of zero: the classes s-20 … s20
# The colours of zero, high and low values; those of the dark theme have the same hues, but are lighter.
LIGHT = WHITE, BLUE, ORANGE
DARK = (24, 27, 33), (92, 170, 255), (255, 150, 60)
THEMES: Mapping[str, Mapping[str, str]] = {
    "light": {
        "color-scheme": "light",
        "--paper": "#f7f6f3",
        "--card": "#fff",
        "--ink": "#1b1e24",
        "--soft": "#575e6b",
        "--line": "#dedbd4",
        "--accent": "#0044aa",
        "--second": "#be5000",
        "--third": "#00735c",
        "--mark": "#e6eefb",
    },
    "dark": {
        "color-scheme": "dark",
        "--paper": "#101216",
        "--card": "#181b21",
        "--ink": "#eae8e3",
        "--soft": "#a7adb9",
        "--line": "#31363f",
        "--accent": "#82bdff",
        "--second": "#ffa860",
        "--third": "#5fd3b4",
        "--mark": "#22344c",
    },
}
FONTS = {
    "--text": 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
    "--code": 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
}
# How notebooks say that they are dark: JupyterLab and Notebook 7, Visual Studio Code, Colab.
DARK_NOTEBOOKS = ('[data-jp-theme-light="false"]', ".vscode-dark", 'html[theme="dark"]')


def read_asset(name: str) -> str:
    """Return the text of a file in the folder of assets."""
    return (files("charlstm.render") / "assets" / name).read_text(encoding="utf-8")


def build_page_style() -> str:
    """Return the style of a page, whose root element has the attribute data-theme."""
    dark = ':root[data-theme="dark"]'
    return (
        f":root {{{_declare('light', FONTS)}}}\n{dark} {{{_declare('dark')}}}\n"
        f"{read_asset('plot.css')}{read_asset('view.css')}{read_asset('page.css')}"
        f"{_build_shades('light')}{_build_shades('dark', f'{dark} ')}"
    )


def build_notebook_style(name: str) -> str:
    """Return the style of the parts of views within the elements of a class, in a light or a dark notebook."""
    dark = ", ".join(f"{where} .{name}" for where in DARK_NOTEBOOKS)
    return (
        f".{name} {{{_declare('light', FONTS)}color: var(--ink); font: 14px/1.5 var(--text);"
        f"{read_asset('plot.css')}{read_asset('view.css')}{_build_shades('light')}}}\n"
        f":is({dark}) {{{_declare('dark')}{_build_shades('dark')}}}\n"
    )


def build_file_style(name: str) -> str:
    """Return the style of an SVG file of a class, in the colours that the program that shows it prefers."""
    return (
        f".{name} {{{_declare('light', FONTS)}}}"
        f"@media (prefers-color-scheme: dark) {{.{name} {{{_declare('dark')}}}}}"
        f"{read_asset('plot.css')}{read_asset('plot-file.css')}"
    )


def _declare(theme: str, further: Mapping[str, str] | None = None) -> str:
    return "".join(f"{name}: {value}; " for name, value in {**THEMES[theme], **(further or {})}.items())


def _build_shades(theme: str, selector: str = "") -> str:
    """Return the background and the text colour of every shade as CSS variables."""
    colours = {"light": LIGHT, "dark": DARK}[theme]
    return "".join(
        selector + f".s{step}{{--bg:rgb{background};--ink:rgb{choose_ink(background)}}}".replace(" ", "")
        for step in range(-STEPS, STEPS + 1)
        for background in [mix_rgb(step / STEPS, *colours)]
    )
