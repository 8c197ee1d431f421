"""Data in Redis exactly as earlier versions wrote it. Only ever added to, never edited."""

from typing import Final

ALERT: Final = (
    '{"group_key":"prod:awb:2026-05-01","deployment":"prod","meter":"awb","reason":"escalated","level":"90%",'
    '"severity":"warning","headline":"AWB 90%","summary":"Coder deployment \\u201cprod\\u201d has reached 90%.",'
    '"facts":[["Used","900"],["Limit","1,000"]],"meaning":"Nothing is blocked.",'
    '"links":[["Contact","https://coder.com/contact"]],"footer":"Deployment prod","name":"awb","kind":"threshold",'
    '"previous":"75%","scope":"","used":900,"limit":1000,"burn_up":[["2026-05-01",450],["2026-05-02",900]],'
    '"breach":"2026-05-20","actor":"Acknowledged by ada"}'
)
STATE: Final = (
    '{"level": "90%", "period_start": "2026-05-01", "since": "2026-05-04T09:30:00+00:00", '
    '"announced_at": "2026-05-04T09:31:00.250000+00:00", "period_end": "2026-06-01", "limit": 1000, '
    '"below_since": "2026-05-04T10:30:00+00:00", "escalated": ["boss"]}'
)
NO_STATE: Final = (
    '{"level": "", "period_start": null, "since": null, "announced_at": null, "period_end": null, "limit": null, '
    '"below_since": null, "escalated": []}'
)
SILENCE: Final = (
    '{"id": "1f2e3d", "matchers": {"level": "90%"}, "author": "ada", "comment": "month end", '
    '"starts_at": "2026-05-04T09:30:00+00:00", "ends_at": "2026-05-06T09:30:00+00:00", "ended_by": "grace"}'
)
ACKNOWLEDGEMENT: Final = (
    '{"level": "90%", "since": "2026-05-04T09:30:00+00:00", "by": "ada", "at": "2026-05-04T09:40:00+00:00"}'
)
HANDLE: Final = '{"place": "C1", "message": "17.5"}'
BUTTON: Final = '{"deployment":"prod","alert":"awb","level":"90%","group_key":"prod:awb:2026-05-01"}'
ROW: Final = (
    '[1,1,"ada","claude","coder",1777887000.25,"","write-tests","task-resumed","77755489541f",["m1","m2"],null]'
)
#: Before schema 4, which the previous version still reads.
ROW_WITH_ID: Final = (
    '[1,1,"ada","claude","coder",1777887000.25,"w1","write-tests","task-resumed","77755489541f",["m1","m2"],null]'
)
EVIDENCE: Final = (
    '{"T":[[1000.5,"m0"],[1001.5,"m1"],[1002.5,"m2"],[1003.5,"m3"],[1004.5,"m4"],[1006.5,"m6"]],'
    '"C":[[0,"rule-created"]],"R":[[1,"rule-resumed"]],"P":[[2,"rule-paused"]],"S":[[3,"rule-task_seen"]],'
    '"F":{"1":[4,"rule-failed"],"message m6":[5,"rule-failed"]},'
    '"N":{"owner":[0,0,"ada"],"template":[0,0,"claude"],"workspace":[0,0,"write-tests"]},"K":true,"W":2}'
)
DRIFT: Final = "[1777887000.0, 12, 10]"
