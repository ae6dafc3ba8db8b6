"""What a schema cannot say of a request, so that what is made from the schema is a request that can be meant.

Each rule mends what is good by itself and bad in company; what is bad by itself is sent as it was made.
"""

import re
from datetime import date, timedelta
from decimal import Decimal

import schemathesis

CURSOR = re.compile(r"[A-Za-z0-9_-]+")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,8})?")
# From the first to the last day that a calendar gives at once.
LONGEST_CALENDAR = timedelta(days=731)
# Path and query that the gateway reads; what is twice as long its HTTP library refuses before, in no words.
LONGEST = 32_000


def mend(asked):
    # A cursor is opaque: only the gateway makes them.
    if CURSOR.fullmatch(str(asked.get("cursor", ""))):
        del asked["cursor"]
    # Days and amounts in the right order.
    for low in [name for name in asked if name.endswith("from")]:
        high = low[: -len("from")] + "to"
        both = [str(asked[low]), str(asked.get(high, ""))]
        for shape, order in [(DAY, str), (AMOUNT, Decimal)]:
            if all(shape.fullmatch(one) for one in both):
                asked[low], asked[high] = sorted(both, key=order)
    # What the Crypto CRM makes of both together is not known.
    if asked.get("condition") == "or":
        asked.pop("having", None)


def shorten(asked):
    """A calendar of so many days as it gives."""
    try:
        first, last = (date.fromisoformat(str(asked[name])) for name in ("from", "to"))
    except (KeyError, ValueError):
        return
    if last - first > LONGEST_CALENDAR:
        asked["to"] = str(first + LONGEST_CALENDAR)


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.query, dict):
        mend(case.query)
        if case.operation.path.endswith("/calendar"):
            shorten(case.query)
        # A slot is of a group or of a student.
        if case.operation.path == "/schedules" and "group_id" in case.query:
            case.query.pop("student_id", None)
    if isinstance(case.body, dict) and case.operation.path == "/projects/search":
        mend(case.body)


@schemathesis.hook
def filter_case(context, case):
    return len(str(case.query or "")) < LONGEST
