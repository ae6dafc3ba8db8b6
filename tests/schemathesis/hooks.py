"""What a schema cannot say of a request, so that what is made from the schema is a request that can be meant.

Each hook mends what is good by itself and bad in company; what is bad by itself is sent as it was made.
"""

import re

import schemathesis

CURSOR = re.compile(r"[A-Za-z0-9_-]+")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def mend_query(query):
    # A cursor is opaque: only the gateway makes them.
    if CURSOR.fullmatch(str(query.get("cursor", ""))):
        del query["cursor"]
    # Days and amounts in the right order.
    for low, high in [(name, name[: -len("from")] + "to") for name in query if name.endswith("from")]:
        if high in query and DAY.fullmatch(str(query[low])) and DAY.fullmatch(str(query[high])):
            query[low], query[high] = sorted([query[low], query[high]])
    return query


@schemathesis.hook
def map_query(context, query):
    return mend_query(query) if isinstance(query, dict) else query


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and context.operation.path == "/projects/search":
        return mend_query(body)
    return body
