"""Texts that a program, a label or a name may hold to act in a page or on a terminal instead of being shown."""

from __future__ import annotations

HIT = "window.hit=(window.hit||0)+1"
PAGE = (
    f"<script>{HIT}</script>",
    f"<img src=x onerror={HIT}>",
    f'"><svg onload={HIT}>',
    f"'><body onload={HIT}>",
    f"</pre><script>{HIT}</script>",
    f"</td></table><iframe srcdoc='<script>parent.{HIT}</script>'></iframe>",
    f"<details open ontoggle={HIT}>x</details>",
    f"<input autofocus onfocus={HIT}>",
    f"<video><source onerror={HIT}></video>",
    f"<math><mtext><style><img src=x onerror={HIT}></style></mtext></math>",
    f"<a href=javascript:{HIT}>click</a>",
    f'http://x/" onmouseover="{HIT}" style="position:fixed;inset:0',
    f"http://x/'><script>{HIT}</script>",
    f"javascript:{HIT}",
    f"&lt;script&gt;{HIT}&lt;/script&gt;",
    f"`<script>{HIT}</script>`",
    f"``</code><script>{HIT}</script>",
    f"<!--><script>{HIT}</script>-->",
    f"]]><script>{HIT}</script>",
    f"<scr<script>ipt>{HIT}</scr</script>ipt>",
    f"\u202e<script>{HIT}</script>",
    f"<\x00script>{HIT}</script>",
    f"$(document).ready(function(){{{HIT}}})",
    f"{{{{constructor.constructor('{HIT}')()}}}}",
)
TERMINAL = (
    "\x1b[2J\x1b[1;1HREADY in 1.0 s",
    "\x1b[1A\x1b[2K✔ READY",
    "\x1b]0;pwned\x07title",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;cm0gLXJmIC8=\x07clipboard",
    "\x1b[6n\x1b[c\x1bZ answers",
    "\x1bP+q544e\x1b\\dcs",
    "\x1b_apc\x1b\\ \x1b^pm\x1b\\",
    "\x1b[?1049h alternate screen",
    "\x1b#8 \x1bc reset",
    "\x9b2J\x9d0;c1\x9c",
    "over\rwritten: OK",
    "back\b\b\b\bspace",
    "a\x0bb\x0cc",
    "bell\x07 \x05 \x0e\x0f",
    "nul\x00 del\x7f",
    "[31mbare",
    "price \u202e321\u202c \u2066x\u2069 \u200f",
    "\x1b",
    "\x1b[",
)
ALL = PAGE + TERMINAL
