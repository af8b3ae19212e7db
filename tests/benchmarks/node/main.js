// The app's sign-in as a Node.js function, to compare functions/auth with: the same checks, the same reads and writes
// in the same order and at once where the other does them at once, the same hash, the same tokens.
//
// What is tuned there is tuned here: one bundle, credentials and endpoints given rather than searched for, connections
// opened and keys read during initialisation.

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SSMClient } from "@aws-sdk/client-ssm";
import { keysIn } from "./keys.js";
import { run } from "./runtime.js";
import { signIn } from "./sign-in.js";
import { Table } from "./table.js";

const environment = process.env;

const shared = {
  region: environment.AWS_REGION,
  credentials: {
    accessKeyId: environment.AWS_ACCESS_KEY_ID,
    secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
    sessionToken: environment.AWS_SESSION_TOKEN,
  },
  maxAttempts: 3,
};

const table = new Table(
  new DynamoDBClient({ ...shared, endpoint: environment.AWS_ENDPOINT_URL_DYNAMODB }),
  environment.TABLE_NAME,
);
const ssm = new SSMClient({ ...shared, endpoint: environment.AWS_ENDPOINT_URL_SSM });
const keys = keysIn(ssm, environment.SIGNING_KEYS_PARAMETER);

table.get("WARM", "WARM").catch(() => {});
keys.catch(() => {});

run((event, trace) => signIn({ table, keys, origin: environment.PUBLIC_ORIGIN }, event, trace));
