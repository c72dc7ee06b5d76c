"""The lines by which dom0 reports on the serial console, and the judge that reads them.

    @vxs TIME begin SCENARIO
    @vxs TIME check NAME ok|FAILED [DETAIL]
    @vxs TIME end SCENARIO
    @vxs TIME done
    @vxs-text NAME LINE          a file, line by line

TIME is dom0's uptime in seconds. A scenario passes if it began and ended and each check that its
script declares in "# checks:" lines was reported once, as ok, and nothing else was.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

MARKER = re.compile(r"@vxs (\d+\.\d+) (begin|check|end|done)(?: (.*))?$")
TEXT = re.compile(r"@vxs-text (\S+) (.*)$")


@dataclass(frozen=True)
class Scenario:
    """A script for dom0 and the checks it promises."""

    name: str
    script: Path
    checks: tuple

    @classmethod
    def load(cls, script):
        promised = re.findall(r"^# checks: (.*)$", script.read_text("utf-8"), re.MULTILINE)
        return cls(script.stem, script, tuple(" ".join(promised).split()))


@dataclass
class Verdict:
    """`reasons` is empty for a scenario that passed. Times are dom0's uptime."""

    name: str
    begin: float | None = None
    end: float | None = None
    checks: list = field(default_factory=list)  # (time, name, ok, detail)
    reasons: list = field(default_factory=list)


def is_marker(line):
    return MARKER.search(line) is not None


def text(lines, name):
    """The file that dom0 sent under `name`, as a list of lines."""
    found = (TEXT.search(line) for line in lines)
    return [match.group(2) for match in found if match and match.group(1) == name]


def collect(lines):
    """Verdicts by scenario, still without judgement, and whether the last marker came."""
    verdicts, current, done = {}, None, False
    for line in lines:
        match = MARKER.search(line)
        if not match:
            continue
        time, kind, rest = float(match.group(1)), match.group(2), match.group(3) or ""
        if kind == "begin":
            current = verdicts[rest] = Verdict(rest, begin=time)
        elif kind == "check" and current:
            name, result, *detail = rest.split(" ", 2)
            current.checks.append((time, name, result == "ok", " ".join(detail)))
        elif kind == "end" and current:
            current.end, current = time, None
        elif kind == "done":
            done = True
    return verdicts, done


def reasons_against(verdict, scenario):
    if verdict.begin is None:
        return ["never began"]
    reasons = [f"{name} failed {detail}".rstrip() for _, name, ok, detail in verdict.checks if not ok]
    seen = Counter(name for _, name, _, _ in verdict.checks)
    reasons += [f"{name} was not reported" for name in scenario.checks if not seen[name]]
    reasons += [f"{name} was reported {count} times" for name, count in seen.items() if count > 1]
    reasons += [f"{name} is not declared" for name in seen if name not in scenario.checks]
    if verdict.end is None:
        reasons.append("never ended")
    return reasons


def judge(scenarios, lines, trouble=None):
    """One verdict per scenario, in order; what went wrong with the whole run counts for the last."""
    verdicts, done = collect(lines)
    judged = []
    for scenario in scenarios:
        verdict = verdicts.get(scenario.name, Verdict(scenario.name))
        verdict.reasons = reasons_against(verdict, scenario)
        judged.append(verdict)
    if not done:
        judged[-1].reasons.append(trouble or "the console ended without the last marker")
    return judged
