//! HTTP requests as events of an HTTP API, and functions' answers as HTTP responses: payload
//! format version 2.0.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, TRANSFER_ENCODING, USER_AGENT,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::routes::Parameters;
use crate::names::ACCOUNT;

const STAGE: &str = "$default";

/// What the gateway knows of a request beyond the request.
pub(super) struct Received<'a> {
    pub(super) request_id: &'a str,
    pub(super) route_key: &'a str,
    pub(super) parameters: Parameters,
    pub(super) peer: SocketAddr,
    pub(super) trace_header: String,
    pub(super) at: Timestamp,
}

/// The event, as JSON.
pub(super) fn event(request: &Parts, body: &[u8], received: Received<'_>) -> Vec<u8> {
    let uri = &request.uri;
    let query = uri.query().unwrap_or_default();
    let peer = received.peer.ip().to_canonical();
    let headers = forwarded_headers(&request.headers, &received, &peer.to_string());
    let text =
        |name: &HeaderName| request.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let domain = text(&HOST).or(uri.host().map(Cow::from)).unwrap_or_default();
    let (body, is_base64_encoded) = encoded(text(&CONTENT_TYPE).as_deref(), body);
    let event = Event {
        version: "2.0",
        route_key: received.route_key,
        raw_path: uri.path(),
        raw_query_string: query,
        cookies: cookies(&request.headers),
        headers: Map(headers),
        query_string_parameters: Map(query_parameters(query)),
        path_parameters: Map(received
            .parameters
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect()),
        request_context: Context {
            account_id: ACCOUNT,
            api_id: "local",
            domain_prefix: domain.split('.').next().unwrap_or_default(),
            domain_name: &domain,
            http: Http {
                method: request.method.as_str(),
                path: uri.path(),
                protocol: "HTTP/1.1",
                source_ip: peer.to_string(),
                user_agent: text(&USER_AGENT).unwrap_or_default(),
            },
            request_id: received.request_id,
            route_key: received.route_key,
            stage: STAGE,
            time: received.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            time_epoch: received.at.as_millisecond(),
        },
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event).expect("an event has text as keys and nothing that can fail")
}

/// The HTTP response for a function's answer.
///
/// # Errors
/// The answer is neither JSON nor a response; says why.
pub(super) fn response(method: &Method, answer: &[u8]) -> Result<Response<Vec<u8>>, String> {
    // Nearly every answer is a response. A list is none, though serde would read one as it reads an object.
    let is_object = answer.trim_ascii_start().first() == Some(&b'{');
    let not_a_response = match is_object.then(|| serde_json::from_slice::<Answer>(answer)) {
        Some(Ok(answer)) => return answer.into_response(method),
        Some(Err(error)) => error.to_string(),
        None => String::new(),
    };
    match serde_json::from_slice(answer).map_err(|error| error.to_string())? {
        Shape::Response => Err(not_a_response),
        // Anything else that is JSON is the body itself; of a string, what it says.
        Shape::Text(text) => Ok(inferred(text.into_bytes())),
        Shape::Other => Ok(inferred(answer.to_vec())),
    }
}

/// Hop-by-hop headers concern one connection only.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || matches!(
            name.as_str(),
            "keep-alive"
                | "proxy-authenticate"
                | "proxy-authorization"
                | "proxy-connection"
                | "te"
                | "trailer"
                | "upgrade"
        )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: Map,
    #[serde(skip_serializing_if = "Map::is_empty")]
    query_string_parameters: Map,
    #[serde(skip_serializing_if = "Map::is_empty")]
    path_parameters: Map,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'static str,
    api_id: &'static str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    user_agent: Cow<'a, str>,
}

/// Names with their values, in the order in which they came.
struct Map(Vec<(Cow<'static, str>, String)>);

impl Map {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Adds a value to those of its name, after a comma.
fn join(map: &mut Vec<(Cow<'static, str>, String)>, name: &str, value: &str) {
    match map.iter_mut().find(|(known, _)| known == name) {
        Some((_, values)) => {
            values.push(',');
            values.push_str(value);
        }
        None => map.push((name.to_owned().into(), value.to_owned())),
    }
}

/// Lower-cased and joined; without cookies, which have a place of their own.
fn forwarded_headers(
    headers: &HeaderMap,
    received: &Received<'_>,
    peer: &str,
) -> Vec<(Cow<'static, str>, String)> {
    let of_this_connection: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut forwarded = Vec::with_capacity(headers.len() + 4);
    for (name, value) in headers {
        let dropped = is_hop_by_hop(name)
            || *name == COOKIE
            || of_this_connection.iter().any(|dropped| dropped == name.as_str())
            || matches!(name.as_str(), "x-amzn-trace-id" | "x-forwarded-proto" | "x-forwarded-port");
        if !dropped {
            join(&mut forwarded, name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
    }
    // What came is kept, as API Gateway does; only the last address is known to be true.
    match forwarded.iter_mut().find(|(name, _)| name == "x-forwarded-for") {
        Some((_, addresses)) => *addresses = format!("{addresses}, {peer}"),
        None => forwarded.push(("x-forwarded-for".into(), peer.to_owned())),
    }
    let port = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok()?.rsplit_once(':'))
        .map_or("80", |(_, port)| port);
    forwarded.push(("x-forwarded-port".into(), port.to_owned()));
    forwarded.push(("x-forwarded-proto".into(), "http".to_owned()));
    forwarded.push(("x-amzn-trace-id".into(), received.trace_header.clone()));
    forwarded
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            value.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>()
        })
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

fn query_parameters(query: &str) -> Vec<(Cow<'static, str>, String)> {
    let mut parameters = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        join(&mut parameters, &name, &value);
    }
    parameters
}

/// The body as text if it says that it is, else in base64.
fn encoded<'a>(content_type: Option<&str>, body: &'a [u8]) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(body) {
        Ok(text) if content_type.is_none_or(is_text) => (Some(text.into()), false),
        _ => (Some(STANDARD.encode(body).into()), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
        || matches!(media_type.as_str(), "application/json" | "application/xml" | "application/javascript")
}

/// What a function's answer is, at a first look.
enum Shape {
    /// An object with a `statusCode`.
    Response,
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;

        impl<'de> Visitor<'de> for Look {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut shape = Shape::Other;
                while let Some((name, IgnoredAny)) = map.next_entry::<Cow<'de, str>, _>()? {
                    if name == "statusCode" {
                        shape = Shape::Response;
                    }
                }
                Ok(shape)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Shape::Other)
            }

            fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
                Ok(Shape::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Other)
            }
        }

        deserializer.deserialize_any(Look)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(deserialize_with = "status_code")]
    status_code: StatusCode,
    #[serde(default, deserialize_with = "header_values")]
    headers: Vec<(String, String)>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

impl Answer {
    fn into_response(self, method: &Method) -> Result<Response<Vec<u8>>, String> {
        let body = self.body.unwrap_or_default();
        let body = if self.is_base64_encoded.unwrap_or_default() {
            STANDARD.decode(&body).map_err(|error| format!("body: {error}"))?
        } else {
            body.into_bytes()
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let bad = |_| format!("header {name:?} cannot be sent");
            let name: HeaderName = name.parse().map_err(|_| bad(()))?;
            // The length is that of what is sent; only an answer to HEAD tells of another.
            let measured = name == CONTENT_LENGTH && method != Method::HEAD;
            if !is_hop_by_hop(&name) && !measured {
                // Names that differ in case only are one name; lambda_http repeats a name.
                headers.append(name, HeaderValue::from_str(value).map_err(|_| bad(()))?);
            }
        }
        for cookie in self.cookies.unwrap_or_default() {
            let value = HeaderValue::try_from(cookie).map_err(|_| "a cookie cannot be sent".to_owned())?;
            headers.append(SET_COOKIE, value);
        }
        if !body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
        }
        let mut response = Response::new(body);
        *response.status_mut() = self.status_code;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// A number, or one in a string.
fn status_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Code {
        Number(u16),
        Text(String),
    }
    let code = match Code::deserialize(deserializer)? {
        Code::Number(code) => Some(code),
        Code::Text(text) => text.parse().ok(),
    };
    // Nothing but a final status can be answered.
    code.filter(|code| (200..600).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| D::Error::custom("statusCode is not the status of an answer"))
}

/// Header values: text, numbers and truth values. A name may be repeated.
fn header_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Text(String),
        Bool(bool),
        Number(serde_json::Number),
    }

    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("headers")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Option<Value>>()? {
                let value = match value {
                    Some(Value::Text(text)) => text,
                    Some(Value::Bool(truth)) => truth.to_string(),
                    Some(Value::Number(number)) => number.to_string(),
                    None => String::new(),
                };
                pairs.push((name, value));
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_any(Pairs)
}

fn inferred(body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use http::Request;
    use lambda_http::RequestExt;
    use lambda_http::request::from_str;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn event_of(request: Request<&[u8]>) -> Vec<u8> {
        let (parts, body) = request.into_parts();
        let received = Received {
            request_id: "JKJaXmPLvHcESHA=",
            route_key: "ANY /api/{proxy+}",
            parameters: vec![("proxy", "me".to_owned())],
            peer: "[::ffff:10.0.0.7]:50000".parse().unwrap(),
            trace_header: "Root=1-a-b".to_owned(),
            at: "2020-03-12T19:03:58Z".parse().unwrap(),
        };
        event(&parts, body, received)
    }

    fn json_of(request: Request<&[u8]>) -> Value {
        serde_json::from_slice(&event_of(request)).unwrap()
    }

    #[test]
    fn a_request_is_an_event_of_version_2() {
        let request = Request::post("/api/me?a=1&b=x%20y&a=2&flag")
            .header("Host", "localhost:3000")
            .header("Content-Type", "application/json")
            .header("X-Many", "one")
            .header("X-Many", "two")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "c=3")
            .header("Connection", "close, X-Secret-Hop")
            .header("X-Secret-Hop", "1")
            .header("Transfer-Encoding", "chunked")
            .header("User-Agent", "test")
            .header("X-Amzn-Trace-Id", "Root=forged")
            .body(&b"{\"a\":\"\xc3\xa4\"}"[..]);
        assert_eq!(
            json_of(request.unwrap()),
            json!({
                "version": "2.0",
                "routeKey": "ANY /api/{proxy+}",
                "rawPath": "/api/me",
                "rawQueryString": "a=1&b=x%20y&a=2&flag",
                "cookies": ["a=1", "b=2", "c=3"],
                "headers": {
                    "host": "localhost:3000",
                    "content-type": "application/json",
                    "x-many": "one,two",
                    "user-agent": "test",
                    "x-forwarded-for": "10.0.0.7",
                    "x-forwarded-port": "3000",
                    "x-forwarded-proto": "http",
                    "x-amzn-trace-id": "Root=1-a-b",
                },
                "queryStringParameters": { "a": "1,2", "b": "x y", "flag": "" },
                "pathParameters": { "proxy": "me" },
                "requestContext": {
                    "accountId": "000000000000",
                    "apiId": "local",
                    "domainName": "localhost:3000",
                    "domainPrefix": "localhost:3000",
                    "http": {
                        "method": "POST",
                        "path": "/api/me",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "10.0.0.7",
                        "userAgent": "test",
                    },
                    "requestId": "JKJaXmPLvHcESHA=",
                    "routeKey": "ANY /api/{proxy+}",
                    "stage": "$default",
                    "time": "12/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_584_039_838_000_i64,
                },
                "body": "{\"a\":\"ä\"}",
                "isBase64Encoded": false,
            })
        );
    }

    /// E3: whatever a client says of its address, the event has the peer's.
    #[test]
    fn e3_a_forged_address_stays_beside_the_true_one() {
        let request = Request::get("/api/me").header("X-Forwarded-For", "1.2.3.4").body(&b""[..]);
        let event = json_of(request.unwrap());
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "10.0.0.7");
        assert_eq!(event["headers"]["x-forwarded-for"], "1.2.3.4, 10.0.0.7");
    }

    #[test]
    fn a_body_that_is_not_text_is_sent_in_base64() {
        for (content_type, body, expected, is_base64_encoded) in [
            ("image/png", &b"hi"[..], "aGk=", true),
            ("text/plain", b"hi", "hi", false),
            ("application/problem+json", b"{}", "{}", false),
            ("application/json", b"\xff", "/w==", true),
        ] {
            let request = Request::put("/api/me").header("Content-Type", content_type).body(body).unwrap();
            let event = json_of(request);
            assert_eq!(event["body"], expected, "{content_type}");
            assert_eq!(event["isBase64Encoded"], is_base64_encoded, "{content_type}");
        }
    }

    fn response_of(answer: &str) -> Response<Vec<u8>> {
        response(&Method::GET, answer.as_bytes()).unwrap()
    }

    #[test]
    fn an_answer_is_a_response() {
        let response = response_of(
            r#"{"statusCode":201,"headers":{"X-A":"1","vary":"a","Vary":"b","n":7,"content-length":"999","connection":"close"},
                "multiValueHeaders":{},"cookies":["a=1; HttpOnly","b=2"],"body":"/w==","isBase64Encoded":true}"#,
        );
        assert_eq!(response.status(), 201);
        assert_eq!(response.body(), b"\xff");
        let headers = response.headers();
        let all =
            |name: &str| headers.get_all(name).iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("x-a"), ["1"]);
        assert_eq!(all("n"), ["7"]);
        assert_eq!(all("vary"), ["a", "b"]);
        assert_eq!(all("set-cookie"), ["a=1; HttpOnly", "b=2"]);
        assert_eq!(all("content-type"), ["text/plain;charset=UTF-8"]);
        assert!(all("content-length").is_empty() && all("connection").is_empty());
    }

    #[test]
    fn an_answer_without_a_status_is_the_body() {
        for (answer, body) in [
            (r#"{"message":"hi"}"#, r#"{"message":"hi"}"#),
            (r#""hi""#, "hi"),
            ("[1, 2]", "[1, 2]"),
            ("null", "null"),
            ("1.5", "1.5"),
        ] {
            let response = response_of(answer);
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
            assert_eq!(response.body(), body.as_bytes(), "{answer}");
        }
    }

    #[test]
    fn an_empty_answer_has_no_content_type() {
        let response = response_of(r#"{"statusCode":"204","headers":null,"body":null,"cookies":null}"#);
        assert_eq!(response.status(), 204);
        assert!(response.headers().is_empty());
    }

    #[test]
    fn an_answer_that_is_no_response_is_refused() {
        for answer in [
            "",
            "{",
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":"ok"}"#,
            r#"{"statusCode":200,"body":{}}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":"b\nc: d"}}"#,
            r#"{"statusCode":200,"cookies":["a=1\r\nset-cookie: b=2"]}"#,
            r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
        ] {
            assert!(response(&Method::GET, answer.as_bytes()).is_err(), "{answer}");
        }
    }

    proptest! {
        /// What a function's library reads from the event is what was sent.
        #[test]
        fn a_function_sees_the_request_that_was_sent(
            path in "(/[a-zA-Z0-9._~%2-]{1,8}){1,4}",
            parameters in proptest::collection::vec(("[a-z]{1,4}", "\\PC{0,6}"), 0..4),
            header in "[ -~]{0,20}",
            body in proptest::collection::vec(any::<u8>(), 0..64),
            content_type in prop_oneof![Just("application/json"), Just("image/png"), Just("text/html; charset=utf-8")],
        ) {
            let path = path.replace('%', "%25");
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
            let request = Request::post(format!("{path}?{query}"))
                .header("host", "localhost:3000")
                .header("x-any", header.trim())
                .header("content-type", content_type)
                .body(&*body)
                .unwrap();
            let event = String::from_utf8(event_of(request)).unwrap();
            let seen = from_str(&event).unwrap();
            prop_assert_eq!(seen.raw_http_path(), path);
            prop_assert_eq!(seen.headers()["x-any"].to_str().unwrap(), header.trim());
            prop_assert_eq!(seen.uri().query().unwrap_or_default(), query);
            prop_assert_eq!(&**seen.body(), &*body);
            for (name, _) in &parameters {
                let sent: Vec<_> = parameters.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
                let seen = seen.query_string_parameters();
                prop_assert_eq!(seen.all(name).unwrap_or_default().join(","), sent.join(","));
            }
        }

        /// Whatever a function answers, there is a response or a reason.
        #[test]
        fn no_answer_is_too_strange(answer in "\\PC{0,40}") {
            let _ = response(&Method::GET, answer.as_bytes());
            let nested = format!("{{\"statusCode\":200,\"body\":{}}}", json!(answer));
            prop_assert_eq!(response_of(&nested).into_body(), answer.into_bytes());
        }
    }
}
