"""The report of the checks as one HTML file that loads nothing from elsewhere and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from streamfit.testing.reports.report_data import (
    PipelineData,
    ResultData,
    batch_time,
    counts,
    totals,
    waiting,
)
from streamfit.testing.result import Status
from streamfit.testing.throughput import Rate, rate_text, workers_text

_MARKS: dict[Status, str] = {
    "fail": "failed",
    "warn": "warning",
    "expected": "failed as expected",
    "pass": "passed",
    "skip": "does not apply",
}
_STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --text: #1c2430; --soft: #5d6878;
  --line: #dfe3e9; --code: #f1f3f6; --fail: #b3261e; --warn: #8a5a00; --pass: #1b6e3c; --expected: #5b4b9a;
  --skip: #5d6878; --bar: #3b73c4; }
@media (prefers-color-scheme: dark) { :root { --page: #14181e; --card: #1c222b; --text: #e4e8ee;
  --soft: #9aa6b6; --line: #313a47; --code: #12161c; --fail: #ff8a80; --warn: #f2be5c; --pass: #79d19a;
  --expected: #b9abf5; --skip: #9aa6b6; --bar: #6ea3ee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .35rem 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
code, pre, .name {
  font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: 1.5rem 0;
  padding: 1.25rem; }
article { border-left: 4px solid var(--mark); margin: 1.1rem 0; padding: .1rem 0 .1rem 1rem; }
.fail { --mark: var(--fail); } .warn { --mark: var(--warn); } .pass { --mark: var(--pass); }
.expected { --mark: var(--expected); } .skip { --mark: var(--skip); }
.mark { color: var(--mark); font-weight: 600; } h3 .mark { margin-right: .5em; }
td[colspan] { font-weight: 400; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0;
  overflow-x: auto; padding: .6rem .8rem; font-size: .875rem; tab-size: 4; user-select: all; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .75rem .35rem 0; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin-top: .8rem; } summary { cursor: pointer; font-weight: 600; }
.scroll { overflow-x: auto; }
a { color: inherit; }
svg { display: block; max-width: 100%; height: auto; margin-top: .5rem; }
svg text { fill: var(--text); font-size: 13px; } svg rect { fill: var(--bar); }
"""


def page(pipelines: list[PipelineData]) -> str:
    """Write the results of some pipelines as one page: failures first, what passed folded away.

    Args:
        pipelines: Their results. Those with failures come first, then those with warnings.

    Example:
        >>> from streamfit.testing.reports.report_data import unchecked
        >>> "needs path" in page([unchecked("data:Digits", note="needs path")])
        True
    """
    ordered = sorted(enumerate(pipelines), key=lambda pair: _urgency(pair[1]))
    several = len(pipelines) > 1
    checked = [pipeline for pipeline in pipelines if pipeline["kind"]]
    names = f"{len(checked)} pipelines" if several else "".join(p["name"] for p in pipelines)
    together = [result for pipeline in pipelines for result in pipeline["results"]]
    title = escape(f"streamfit check: {names}")
    table = _summary(ordered) if several else ""
    sections = "\n".join(_section(number, p) for number, p in ordered if p["kind"] or not several)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="soft" id="totals">{escape(totals(together))}</p>
</header>
{table}
{sections}
</body>
</html>
"""


def _urgency(pipeline: PipelineData) -> tuple[bool, bool, bool, bool]:
    found = counts(pipeline["results"])
    return not found["failed"], not pipeline["error"], not found["warned"], not pipeline["kind"]


def _summary(pipelines: Iterable[tuple[int, PipelineData]]) -> str:
    rows = "\n".join(_summary_row(number, pipeline) for number, pipeline in pipelines)
    return f"""<section>
<h2>Summary</h2>
<div class="scroll"><table>
<tr><th>pipeline</th><th>kind</th><th class="number">failures</th><th class="number">warnings</th>
<th class="number">time</th></tr>
{rows}
</table></div>
</section>"""


def _summary_row(number: int, pipeline: PipelineData) -> str:
    target = escape(pipeline["target"])
    if not pipeline["kind"]:
        kind = "fail" if pipeline["error"] else "skip"
        text = pipeline["error"] or pipeline["note"]
        reason = escape(text.removeprefix(f"{pipeline['target']} "))
        cells = f'<td class="name">{target}</td><td colspan="4" class="mark">{reason}</td>'
        return f'<tr class="{kind}">{cells}</tr>'
    found = counts(pipeline["results"])
    failed, warned = (
        f'<td class="number{f" {kind} mark" if count else ""}">{count}</td>'
        for kind, count in (("fail", found["failed"]), ("warn", found["warned"]))
    )
    return (
        f'<tr><td class="name"><a href="#pipeline-{number}">{target}</a></td>'
        f"<td>{escape(pipeline['kind'])}</td>"
        f'{failed}{warned}<td class="number">{pipeline["seconds"]:.1f} s</td></tr>'
    )


def _section(number: int, pipeline: PipelineData) -> str:
    results = pipeline["results"]
    if not pipeline["kind"]:
        kind, text = ("fail", pipeline["error"]) if pipeline["error"] else ("skip", pipeline["note"])
        body = f'<article class="{kind}"><p>{escape(text)}</p></article>'
        return f'<section id="pipeline-{number}"><h2>{escape(pipeline["target"])}</h2>{body}</section>'
    found = [
        _finding(result)
        for status in ("fail", "warn", "expected")
        for result in results
        if result["status"] == status
    ]
    ended = f'<article class="fail"><p>{escape(pipeline["note"])}</p></article>' if pipeline["note"] else ""
    name = escape(pipeline["target"] or pipeline["name"])
    summary = f"{totals(results)}, {pipeline['seconds']:.1f} s"
    return f"""<section id="pipeline-{number}">
<h2>{name} <span class="soft">({escape(pipeline["kind"])})</span></h2>
<p class="soft">{escape(summary)} · {escape(batch_time(pipeline))}</p>
{ended}
{"".join(found) or '<p class="pass"><span class="mark">No failures and no warnings.</span></p>'}
{"".join(_waits(results))}
{_chart(pipeline["throughput"])}
{_folded(results)}
</section>"""


def _finding(result: ResultData) -> str:
    hint = f"<pre><code>{escape(result['hint'])}</code></pre>" if result["hint"] else ""
    mark, name = _MARKS[result["status"]], escape(result["name"])
    return f"""<article class="{result["status"]}">
<h3><span class="mark">{mark}</span> <span class="name">{name}</span></h3>
<p class="soft">{escape(result["sentence"])}</p>
<p>{escape(result["message"])}</p>
{hint}
</article>
"""


def _waits(results: list[ResultData]) -> Iterator[str]:
    for first, names in waiting(results).items():
        verb = "check waits" if len(names) == 1 else "checks wait"
        listed = ", ".join(f"<code>{escape(name)}</code>" for name in names)
        yield (
            f'<article class="skip"><h3>{len(names)} {verb} for <code>{escape(first)}</code></h3>'
            f'<p class="soft">{listed}</p></article>'
        )


def _folded(results: list[ResultData]) -> str:
    """List what passed and what does not apply; folded, since there is nothing to do."""
    rest = [r for r in results if r["status"] in ("pass", "skip") and not r["waits_for"]]
    if not rest:
        return ""
    rows = "\n".join(
        f'<tr class="{r["status"]}"><td class="mark">{_MARKS[r["status"]]}</td><td class="name">'
        f"{escape(r['name'])}</td><td>{escape(r['sentence'])}{_note(r)}</td>"
        f'<td class="number">{r["seconds"]:.2f} s</td></tr>'
        for r in sorted(rest, key=lambda r: r["status"])
    )
    return f"""<details>
<summary>{escape(totals(rest))}</summary>
<div class="scroll"><table>{rows}</table></div>
</details>"""


def _note(result: ResultData) -> str:
    return f'<br><span class="soft">{escape(result["message"])}</span>' if result["message"] else ""


def _chart(found: list[Rate]) -> str:
    """Draw the batches a second as horizontal bars."""
    if not found:
        return ""
    most = max(rate["batches_per_second"] for rate in found) or 1.0
    rows = [
        f'<text x="0" y="{26 * row + 17}">{escape(workers_text(rate))}</text>'
        f'<rect x="100" y="{26 * row + 4}" width="{max(1, 380 * rate["batches_per_second"] / most):.1f}" '
        f'height="18" rx="3"/><text x="{108 + 380 * rate["batches_per_second"] / most:.1f}" '
        f'y="{26 * row + 17}">{rate_text(rate)}</text>'
        for row, rate in enumerate(found)
    ]
    height = 26 * len(found)
    return f"""<h3>Batches per second</h3>
<svg viewBox="0 0 560 {height}" width="560" height="{height}" role="img" aria-label="Batches per second">
{"".join(rows)}
</svg>"""
