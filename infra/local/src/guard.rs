//! Who may use what this machine serves for itself: the console, and the services that functions call.
//!
//! A browser lends its way to this machine to every site that it shows, and none of the services checks a
//! signature.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, Uri, header};

use crate::console::problem::Problem;

/// Refuses requests by another name than this machine's (DNS rebinding), and writes that another
/// site's page makes.
pub(crate) async fn only_from_here(request: Request, next: Next) -> Response {
    match check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    // HTTP/2 has the host in the address only.
    let host = text(header::HOST).or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let host = host.unwrap_or_default();
    if !is_local(host) {
        return Err(Problem::Forbidden("This is at localhost only."));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let origin = text(header::ORIGIN);
    let same_origin = match headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes) {
        Some(site) => site == b"same-origin" || site == b"none",
        // Programs send neither.
        None => origin.is_none_or(|origin| origin.strip_prefix("http://") == Some(host)),
    };
    if same_origin {
        Ok(())
    } else {
        Err(Problem::Forbidden("Another site's page may not change anything here."))
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        check(method, &Uri::from_static("/_local/settings"), &headers.collect()).is_ok()
    }

    #[test]
    fn only_this_machines_names_are_answered() {
        for host in ["localhost", "localhost:3000", "127.0.0.1:3000", "[::1]", "[::1]:3000", "LOCALHOST:1"] {
            assert!(allowed(&Method::GET, &[("host", host)]), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example:3000", "127.0.0.1.nip.io", "192.168.1.2"] {
            assert!(!allowed(&Method::GET, &[("host", host)]), "{host}");
        }
    }

    #[test]
    fn another_sites_page_may_not_write() {
        let host = ("host", "localhost:3000");
        let write = |headers: &[(&'static str, &str)]| allowed(&Method::PUT, &[&[host], headers].concat());
        assert!(write(&[]));
        assert!(write(&[("sec-fetch-site", "same-origin")]));
        assert!(write(&[("origin", "http://localhost:3000")]));
        assert!(!write(&[("sec-fetch-site", "cross-site")]));
        assert!(!write(&[("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")]));
        assert!(!write(&[("origin", "http://localhost:4000")]));
        assert!(!write(&[("origin", "null")]));
    }
}
