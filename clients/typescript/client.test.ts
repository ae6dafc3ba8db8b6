// What an application in TypeScript does with the gateway, on types made from the document: pages, writes that are repeated, errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/schema.js";

type Student = components["schemas"]["Student"];

const { BASE, KEY } = process.env;
assert.ok(BASE && KEY, "BASE and KEY name a running gateway; see clients/run.sh");

const gateway = createClient<paths>({ baseUrl: BASE, headers: { "X-Api-Key": KEY } });

/** All records of a list: a cursor leads from page to page until there is none. */
async function* students(limit: number): AsyncGenerator<Student> {
  let cursor: string | undefined;
  do {
    const { data, error } = await gateway.GET("/students", {
      params: { query: { limit, stage: "STUDENT", ...(cursor === undefined ? {} : { cursor }) } },
    });
    if (error) throw new Error(`${error.code}: ${error.detail}`);
    assert.deepEqual(data.incomplete, [], "nobody was left out");
    yield* data.items;
    cursor = data.next_cursor ?? undefined;
  } while (cursor !== undefined);
}

test("a list is walked to its end, each record once", async () => {
  const ids = new Set<string>();
  let count = 0;
  for await (const student of students(200)) {
    ids.add(student.id);
    count += 1;
  }
  const { data } = await gateway.GET("/students", { params: { query: { limit: 1 } } });
  assert.equal(count, data?.total);
  assert.equal(ids.size, count);
});

test("a payment that is sent twice under one key is made once", async () => {
  const book = await gateway.GET("/reference/{book}", { params: { path: { book: "pay-accounts" } } });
  const account = book.data?.items[0]?.id;
  const first = (await gateway.GET("/students", { params: { query: { limit: 1 } } })).data?.items[0]?.id;
  assert.ok(account && first);
  const send = (amount: string) =>
    gateway.POST("/payments", {
      params: { header: { "Idempotency-Key": `typescript-${process.pid}` } },
      body: { student_id: first, amount: { amount }, date: "2026-02-25", account_id: account },
    });
  const made = await send("1250.00");
  assert.equal(made.response.status, 201, JSON.stringify(made.error));
  // With 202 it would be an operation, to be asked at `Location`.
  assert.ok(made.data && "amount" in made.data);
  assert.equal(made.data.amount?.amount, "1250.00");
  const again = await send("1250.00");
  assert.equal(again.response.headers.get("idempotency-replayed"), "true");
  assert.equal(again.data?.id, made.data.id);
  const other = await send("9.00");
  assert.equal(other.response.status, 422);
  assert.equal(other.error?.code, "idempotency_mismatch");
});

test("an error is a problem that says what to do", async () => {
  const nobody = await gateway.GET("/students/{id}", { params: { path: { id: "alfa-999999999" } } });
  assert.equal(nobody.response.status, 404);
  assert.equal(nobody.error?.code, "not_found");
  assert.equal(nobody.error?.retryable, false);
  const wrong = await gateway.GET("/students", { params: { query: { limit: 0 } } });
  assert.equal(wrong.error?.code, "invalid_request");
  assert.equal(wrong.error?.errors[0]?.pointer, "/query/limit");
});

test("what is known already is not sent again", async () => {
  const one = await gateway.GET("/tariffs", { params: { query: { limit: 5 } } });
  const tag = one.response.headers.get("etag");
  assert.ok(tag);
  const same = await gateway.GET("/tariffs", {
    params: { query: { limit: 5 } },
    headers: { "If-None-Match": tag },
  });
  assert.equal(same.response.status, 304);
});
