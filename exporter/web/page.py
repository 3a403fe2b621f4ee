"""What all pages share: head and looks. Whoever calls escapes what comes from outside."""

from html import escape

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem;
       color: #1b1f24; background: #fff }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
p.about { color: #59636e; margin-top: 0 }
pre { background: #f6f8fa; border: 1px solid #d1d9e0; border-radius: 6px; padding: .8rem; overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid #d1d9e0 }
th { color: #59636e; font-weight: 600 } .time { white-space: nowrap }
a { color: #0a5bc4 } .severe, .alarm { color: #b42318; font-weight: 600 } .watch { color: #8a5a00 }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } pre { background: #151b23; border-color: #3d444d }
  a { color: #71b0ff } p.about, th { color: #9198a1 } th, td { border-color: #3d444d }
  .severe, .alarm { color: #ff8a80 } .watch { color: #e3b341 } }
"""


def page(title: str, content: str) -> str:
    """A whole page around content that is HTML already."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<link rel="icon" href="data:,">'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{content}</body></html>"
    )
