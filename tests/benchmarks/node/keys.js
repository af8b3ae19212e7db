// The Ed25519 keys in a parameter, as a JSON Web Key Set: the first one signs, all verify.

import { createPrivateKey, createPublicKey } from "node:crypto";
import { GetParameterCommand } from "@aws-sdk/client-ssm";

export async function keysIn(ssm, name) {
  const { Parameter } = await ssm.send(new GetParameterCommand({ Name: name, WithDecryption: true }));
  const jwks = JSON.parse(Parameter.Value).keys;
  const publicKey = ({ kty, crv, x }) => createPublicKey({ key: { kty, crv, x }, format: "jwk" });
  return {
    signing: { kid: jwks[0].kid, key: createPrivateKey({ key: jwks[0], format: "jwk" }) },
    verifying: new Map(jwks.map((jwk) => [jwk.kid, publicKey(jwk)])),
  };
}
