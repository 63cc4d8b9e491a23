"""The verdict and the reports: what is known, put before a person or a program."""

from ekaci_core.reporting.failures import collect_failures
from ekaci_core.reporting.interruptions import explain_interruptions
from ekaci_core.reporting.json_document import render_json
from ekaci_core.reporting.junit import render_junit
from ekaci_core.reporting.markdown import render_markdown
from ekaci_core.reporting.text import render_text
from ekaci_core.reporting.text_page import Style, Tone, plain, verdict_line
from ekaci_core.reporting.verdict import Findings, judge

__all__ = [
    "Findings",
    "Style",
    "Tone",
    "collect_failures",
    "explain_interruptions",
    "judge",
    "plain",
    "render_json",
    "render_junit",
    "render_markdown",
    "render_text",
    "verdict_line",
]
