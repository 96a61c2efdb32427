"""The decision log: what was asked, chosen, spent and said about it, in SQLite or PostgreSQL.

A gateway gives records to a `Writer`, which never keeps it waiting; pages and commands read through a
`Store`. `Writer` says what survives which accident.
"""

from onehead.store.ids import id_time, new_decision_id
from onehead.store.maintenance import Which
from onehead.store.records import DecisionRecord, FeedbackRecord, prompt_fields
from onehead.store.search import Filter, Page
from onehead.store.store import Feedback, Spend, Store
from onehead.store.totals import Expected, Total, Totals
from onehead.store.writer import Stats, Writer

__all__ = [
    "DecisionRecord",
    "Expected",
    "Feedback",
    "FeedbackRecord",
    "Filter",
    "Page",
    "Spend",
    "Stats",
    "Store",
    "Total",
    "Totals",
    "Which",
    "Writer",
    "id_time",
    "new_decision_id",
    "prompt_fields",
]
