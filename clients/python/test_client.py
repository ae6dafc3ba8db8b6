"""What an application in Python does with the gateway, on a client made from the document: pages, repeated writes, errors."""

import datetime
import os
import unittest
from collections.abc import Iterator

from crm_gateway_client import AuthenticatedClient
from crm_gateway_client.api.payments import create_payment
from crm_gateway_client.api.reference import list_reference
from crm_gateway_client.api.students import get_student, list_students
from crm_gateway_client.models import (
    CreatePaymentBody,
    CreatePaymentBodyAmount,
    ListReferenceBook,
    Payment,
    Problem,
    ReferenceEntryPage,
    Student,
    StudentPage,
)
from crm_gateway_client.types import UNSET, Unset

GATEWAY = AuthenticatedClient(base_url=os.environ["BASE"], token=os.environ["KEY"])


def students(limit: int) -> Iterator[Student]:
    """All records of a list: a cursor leads from page to page until there is none."""
    cursor: str | Unset = UNSET
    while True:
        page = list_students.sync(client=GATEWAY, limit=limit, cursor=cursor)
        if not isinstance(page, StudentPage):
            raise RuntimeError(page)
        yield from page.items
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


class Client(unittest.TestCase):
    def test_a_list_is_walked_to_its_end_each_record_once(self) -> None:
        ids = [student.id for student in students(limit=200)]
        page = list_students.sync(client=GATEWAY, limit=1)
        assert isinstance(page, StudentPage)
        self.assertEqual(len(ids), page.total)
        self.assertEqual(len(set(ids)), len(ids))

    def test_a_payment_that_is_sent_twice_under_one_key_is_made_once(self) -> None:
        accounts = list_reference.sync(client=GATEWAY, book=ListReferenceBook.PAY_ACCOUNTS)
        assert isinstance(accounts, ReferenceEntryPage)
        payer = next(students(limit=1))
        body = CreatePaymentBody(
            student_id=payer.id,
            account_id=accounts.items[0].id,
            amount=CreatePaymentBodyAmount(amount="1250.00"),
            date=datetime.date(2026, 2, 25),
        )
        key = f"python-{os.getpid()}"
        made = create_payment.sync_detailed(client=GATEWAY, body=body, idempotency_key=key)
        self.assertEqual(made.status_code, 201, made.content)
        again = create_payment.sync_detailed(client=GATEWAY, body=body, idempotency_key=key)
        self.assertEqual(again.headers["Idempotency-Replayed"], "true")
        assert isinstance(made.parsed, Payment) and isinstance(again.parsed, Payment)
        self.assertEqual(made.parsed.id, again.parsed.id)
        body.amount.amount = "9.00"
        other = create_payment.sync_detailed(client=GATEWAY, body=body, idempotency_key=key)
        assert isinstance(other.parsed, Problem)
        self.assertEqual((other.status_code, other.parsed.code), (422, "idempotency_mismatch"))

    def test_an_error_is_a_problem_that_says_what_to_do(self) -> None:
        nobody = get_student.sync(client=GATEWAY, id="alfa-999999999")
        assert isinstance(nobody, Problem)
        self.assertEqual((nobody.status, nobody.code, nobody.retryable), (404, "not_found", False))
        wrong = list_students.sync(client=GATEWAY, limit=0)
        assert isinstance(wrong, Problem)
        self.assertEqual((wrong.code, wrong.errors[0].pointer), ("invalid_request", "/query/limit"))


if __name__ == "__main__":
    unittest.main()
