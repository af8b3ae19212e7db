/**
 * Events to start from in the invoke form, in the shapes that each trigger sends.
 *
 * @import { FunctionReport } from "./platform.js"
 */

/** @param {FunctionReport} report @returns {unknown} */
export function sampleEvent({ name, trigger }) {
  const now = new Date();
  const id = crypto.randomUUID();
  switch (trigger) {
    case "http":
      return name === "auth"
        ? httpRequest(now, id, "/api/auth", "jwks.json")
        : httpRequest(now, id, "/api", "health");
    case "queue":
      return queueBatch(now, id);
    case "stream":
      return streamBatch(now, id);
    case "schedule":
      return scheduledEvent(now, id, name);
  }
}

/** @param {Date} now @param {string} id @param {string} under @param {string} rest */
const httpRequest = (now, id, under, rest) => ({
  version: "2.0",
  routeKey: `ANY ${under}/{proxy+}`,
  rawPath: `${under}/${rest}`,
  rawQueryString: "",
  headers: { accept: "application/json", host: location.host },
  requestContext: {
    accountId: "000000000000",
    apiId: "local",
    domainName: location.host,
    domainPrefix: "local",
    http: { method: "GET", path: `${under}/${rest}`, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "console" },
    requestId: id,
    routeKey: `ANY ${under}/{proxy+}`,
    stage: "$default",
    time: now.toISOString(),
    timeEpoch: now.getTime(),
  },
  pathParameters: { proxy: rest },
  isBase64Encoded: false,
});

/** @param {Date} now @param {string} id @param {string} name */
const scheduledEvent = (now, id, name) => ({
  version: "0",
  id,
  "detail-type": "Scheduled Event",
  source: "aws.scheduler",
  account: "000000000000",
  time: now.toISOString().replace(/\.\d+Z$/, "Z"),
  region: "us-east-1",
  resources: [`arn:aws:scheduler:us-east-1:000000000000:schedule/default/billion-${name}`],
  detail: "{}",
});

/** @param {Date} now @param {string} id */
const queueBatch = (now, id) => ({
  Records: [
    {
      messageId: id,
      receiptHandle: id,
      body: JSON.stringify({
        version: "0",
        id,
        "detail-type": "user.signed_up",
        source: "billion",
        account: "000000000000",
        time: now.toISOString(),
        region: "local",
        resources: [],
        detail: {
          specversion: "1.0",
          id: "evt_00000000-0000-7000-8000-000000000000",
          source: "billion",
          type: "user.signed_up",
          subject: "usr_00000000-0000-7000-8000-000000000000",
          time: now.toISOString(),
          data: {},
        },
      }),
      attributes: {
        ApproximateReceiveCount: "1",
        SentTimestamp: String(now.getTime()),
        SenderId: "console",
        ApproximateFirstReceiveTimestamp: String(now.getTime()),
      },
      messageAttributes: {},
      md5OfBody: "",
      eventSource: "aws:sqs",
      eventSourceARN: "arn:aws:sqs:local:000000000000:console",
      awsRegion: "local",
    },
  ],
});

/** @param {Date} now @param {string} id */
const streamBatch = (now, id) => ({
  Records: [
    {
      eventID: id,
      eventName: "INSERT",
      eventVersion: "1.1",
      eventSource: "aws:dynamodb",
      awsRegion: "local",
      dynamodb: {
        ApproximateCreationDateTime: Math.floor(now.getTime() / 1_000),
        Keys: {
          pk: { S: "USER#usr_00000000-0000-7000-8000-000000000000" },
          sk: { S: "EVENT#evt_00000000-0000-7000-8000-000000000000" },
        },
        NewImage: {
          pk: { S: "USER#usr_00000000-0000-7000-8000-000000000000" },
          sk: { S: "EVENT#evt_00000000-0000-7000-8000-000000000000" },
          id: { S: "evt_00000000-0000-7000-8000-000000000000" },
          type: { S: "user.renamed" },
          source: { S: "billion" },
          subject: { S: "usr_00000000-0000-7000-8000-000000000000" },
          time: { S: now.toISOString() },
          data: { M: {} },
        },
        SequenceNumber: "1",
        SizeBytes: 256,
        StreamViewType: "NEW_IMAGE",
      },
      eventSourceARN: "arn:aws:dynamodb:local:000000000000:table/console/stream/console",
    },
  ],
});
