//! Who asks, when a CDN stands before the gateway: to the gateway every request then comes from the CDN.

use std::net::IpAddr;

use http::HeaderMap;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use sha2::{Digest, Sha256};

/// The address of whoever asked the CDN. The CDN overwrites what a request brings by that name.
const ADDRESS: &str = "x-viewer-address";

/// What only the CDN and the gateway know. Somebody who goes past the CDN can name an address, but not this.
const SECRET: &str = "x-edge-secret";

/// The gateway's own copy of the secret, a variable of its stage. Without a CDN there is none.
const STAGE_VARIABLE: &str = "edge_secret";

/// Makes the request come from whoever asked the CDN, if it is the CDN that says so. Neither header goes further.
pub(super) fn restore(request: &mut ApiGatewayV2httpRequest) {
    let known = request.stage_variables.get(STAGE_VARIABLE).filter(|secret| !secret.is_empty());
    if let Some(known) = known
        && only(&request.headers, SECRET).is_some_and(|secret| is_same(secret, known))
        && let Some(address) = only(&request.headers, ADDRESS)
        && address.parse::<IpAddr>().is_ok()
    {
        request.request_context.http.source_ip = Some(address.to_owned());
    }
    request.headers.remove(SECRET);
    request.headers.remove(ADDRESS);
}

/// The header's value, if it is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Of hashes, so that the time it takes tells nothing of where they differ.
fn is_same(secret: &str, known: &str) -> bool {
    Sha256::digest(secret) == Sha256::digest(known)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn source_of(stage_variables: Value, headers: Value) -> String {
        let mut request: ApiGatewayV2httpRequest = serde_json::from_value(json!({
            "version": "2.0",
            "rawPath": "/",
            "headers": headers,
            "stageVariables": stage_variables,
            "requestContext": { "http": { "method": "GET", "path": "/", "sourceIp": "198.51.100.1" } },
        }))
        .unwrap();
        restore(&mut request);
        assert!(!request.headers.contains_key(SECRET) && !request.headers.contains_key(ADDRESS));
        request.request_context.http.source_ip.unwrap()
    }

    /// E3
    #[test]
    fn e3_only_the_cdn_says_who_asked_it() {
        let known = json!({ "edge_secret": "5ec2e7" });
        let says = |secret: &str| json!({ "x-edge-secret": secret, "x-viewer-address": "203.0.113.7" });
        assert_eq!(source_of(known.clone(), says("5ec2e7")), "203.0.113.7");
        for (variables, headers) in [
            (known.clone(), says("5ec2e8")),
            (known.clone(), says("")),
            (known.clone(), json!({ "x-viewer-address": "203.0.113.7" })),
            (
                known.clone(),
                json!({ "x-edge-secret": "5ec2e7", "x-viewer-address": "203.0.113.7, 10.0.0.1" }),
            ),
            (known, json!({ "x-edge-secret": "5ec2e7" })),
            (json!({ "edge_secret": "" }), says("")),
            (json!({}), says("5ec2e7")),
        ] {
            assert_eq!(
                source_of(variables.clone(), headers.clone()),
                "198.51.100.1",
                "{variables} {headers}"
            );
        }
    }
}
