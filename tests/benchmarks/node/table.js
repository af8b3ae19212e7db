// The table, with the same items as shared/src/store has.

import { createHash } from "node:crypto";
import { GetItemCommand, TransactWriteItemsCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";

const SESSION_LIFE = 30 * 24 * 60 * 60;

export class Table {
  #client;
  #name;

  constructor(client, name) {
    this.#client = client;
    this.#name = name;
  }

  async get(pk, sk) {
    const key = { pk: text(pk), sk: text(sk) };
    const command = new GetItemCommand({ TableName: this.#name, Key: key, ConsistentRead: true });
    return (await this.#client.send(command)).Item;
  }

  // An unknown address costs as many reads as a known one.
  async userByEmail(email) {
    const owner = await this.get(`EMAIL#${email}`, "EMAIL");
    const id = owner?.user_id.S ?? `usr_${"0".repeat(32)}`;
    return this.get(`USER#${id}`, "USER");
  }

  // Counts one more against a limit, or one less, and says how many there are.
  async count(limit, key, now, by) {
    const window = Math.floor(now / 1000 / limit.window);
    const hashed = createHash("sha256").update(key).digest().subarray(0, 16).toString("base64url");
    const { Attributes } = await this.#client.send(
      new UpdateItemCommand({
        TableName: this.#name,
        Key: { pk: text(`LIMIT#${limit.name}#${hashed}#${window}`), sk: text("LIMIT") },
        UpdateExpression: "SET expires_at = :end ADD taken :by",
        ExpressionAttributeValues: { ":end": number((window + 1) * limit.window), ":by": number(by) },
        ReturnValues: "UPDATED_NEW",
      }),
    );
    return Number(Attributes.taken.N);
  }

  // The user's first sign-in is noted, the session and the event that tells of it are written, all or nothing.
  async startSession(user, session, event) {
    const TableName = this.#name;
    const pk = text(`USER#${session.user_id}`);
    const now = text(session.created_at);
    const begin = {
      TableName,
      Key: { pk, sk: text("USER") },
      UpdateExpression:
        "SET first_signed_in_at = if_not_exists(first_signed_in_at, :now), password_hash = :new_hash ADD version :one",
      ConditionExpression: "password_hash = :hash AND attribute_exists(verified_at)",
      ExpressionAttributeValues: {
        ":now": now,
        ":hash": user.password_hash,
        ":new_hash": user.password_hash,
        ":one": number(1),
      },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    };
    const sessionItem = {
      pk,
      sk: text(`SESSION#${session.id}`),
      id: text(session.id),
      user_id: text(session.user_id),
      device: text(session.device),
      generation: number(0),
      refreshed_at: now,
      created_at: now,
      expires_at: number(Math.floor(Date.parse(session.created_at) / 1000) + SESSION_LIFE),
    };
    const eventItem = {
      pk,
      sk: text(`EVENT#${event.id}`),
      id: text(event.id),
      type: text(event.type),
      source: text("billion"),
      subject: text(session.user_id),
      time: now,
      traceparent: text(event.traceparent),
      data: {
        M: {
          session_id: text(event.data.session_id),
          device: text(event.data.device),
          new_device: { BOOL: event.data.new_device },
        },
      },
    };
    const items = [{ Update: begin }, { Put: { TableName, Item: sessionItem } }, { Put: { TableName, Item: eventItem } }];
    await this.#client.send(new TransactWriteItemsCommand({ TransactItems: items }));
  }
}

function text(value) {
  return { S: value };
}

function number(value) {
  return { N: String(value) };
}
