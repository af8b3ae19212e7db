//! The console's pages and what they load, read afresh for each request: they are being edited.

use std::collections::BTreeMap;
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use infra_model::CONTENT_SECURITY_POLICY as SITE_POLICY;
use sha2::{Digest, Sha256};

use super::Parts;
use super::problem::Problem;
use crate::gateway::Pages;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/console");

const HTML: &str = "text/html; charset=utf-8";

/// A mail may show itself and open links in tabs of their own, and nothing else.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

/// So that a link does not open within the reader's frame.
const BASE: &str = "<base target=\"_blank\">";

pub(super) async fn flows(State(parts): State<Arc<Parts>>) -> Response {
    render(parts.pages.clone(), "flows", "/_local".to_owned()).await
}

pub(super) async fn page(State(parts): State<Arc<Parts>>, Path(page): Path<String>) -> Response {
    match page.as_str() {
        "inbox" | "texts" | "payments" | "functions" | "dead-letters" | "data" => {
            let path = format!("/_local/ui/{page}");
            render(parts.pages.clone(), &page, path).await
        }
        _ => site_not_found(&parts).await,
    }
}

/// The site's own page for what is not there, but JSON for programs.
pub(super) async fn not_found(State(parts): State<Arc<Parts>>, headers: HeaderMap) -> Response {
    let accept = headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return site_not_found(&parts).await;
    }
    Problem::NotFound("There is nothing at this path.").into_response()
}

/// The site has nothing under the console's path.
async fn site_not_found(parts: &Parts) -> Response {
    parts.pages.serve(&Method::GET, "/_local/not-found", &HeaderMap::new()).await
}

/// A style sheet or a script.
pub(super) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let Some((file, content_type)) = asset_file(&path) else {
        return Problem::NotFound("There is no such file.").into_response();
    };
    match blocking(move || fs::read(file)).await {
        Ok(body) => {
            let digest = Sha256::digest(&body);
            let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let etag = format!("\"{hash}\"");
            let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
            let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache"), (ETAG, &etag)];
            match known {
                true => with(StatusCode::NOT_MODIFIED, &headers, Vec::new()),
                false => with(StatusCode::OK, &headers, body),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Problem::NotFound("There is no such file.").into_response()
        }
        Err(error) => Problem::Internal(error.to_string()).into_response(),
    }
}

/// The HTML part of a mail as a document that can do nothing.
pub(super) async fn email_html(State(parts): State<Arc<Parts>>, Path(id): Path<String>) -> Response {
    match parts.inbox.get(id).await {
        Ok(Some(mail)) => match mail.html {
            Some(html) => {
                let headers = [
                    (CONTENT_TYPE, HTML),
                    (CACHE_CONTROL, "no-store"),
                    (CONTENT_SECURITY_POLICY, MAIL_POLICY),
                    (X_FRAME_OPTIONS, "SAMEORIGIN"),
                ];
                with(StatusCode::OK, &headers, with_base(&html).into_bytes())
            }
            None => Problem::NotFound("This mail has no HTML.").into_response(),
        },
        Ok(None) => Problem::NotFound("There is no such mail.").into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

async fn render(pages: Pages, name: &str, path: String) -> Response {
    let file = format!("{FOLDER}/{name}.html");
    let rendered = blocking(move || {
        let source = fs::read_to_string(file).map_err(|error| error.to_string())?;
        let site = pages.current().map_err(|error| error.to_string())?;
        let context = BTreeMap::from([("path", path)]);
        frontend::render_page(&site.site, &source, context).map_err(|error| error.to_string())
    })
    .await;
    match rendered {
        Ok(html) => {
            // The reader of mail shows it in a frame.
            let policy = format!("{SITE_POLICY}; frame-src 'self'");
            let headers =
                [(CONTENT_TYPE, HTML), (CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, &policy)];
            with(StatusCode::OK, &headers, html.into_bytes())
        }
        Err(error) => Problem::Internal(error).into_response(),
    }
}

/// The file, if the path stays within the folders of styles and scripts, and its type.
fn asset_file(path: &str) -> Option<(PathBuf, &'static str)> {
    let relative = FilePath::new(path);
    let mut parts = relative.components();
    let folder = parts.next()?;
    let content_type = match (folder.as_os_str().to_str()?, relative.extension()?.to_str()?) {
        ("styles", "css") => "text/css; charset=utf-8",
        ("scripts", "js") => "text/javascript; charset=utf-8",
        _ => return None,
    };
    let stays = relative.components().all(|part| matches!(part, Component::Normal(_)));
    stays.then(|| (FilePath::new(FOLDER).join(relative), content_type))
}

fn with_base(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let after_head = lower.find("<head").and_then(|head| {
        let end = lower[head..].find('>')?;
        // `<header` is another element.
        let is_head = matches!(lower.as_bytes()[head + "<head".len()], b'>' | b' ' | b'\n' | b'\r' | b'\t');
        is_head.then_some(head + end + 1)
    });
    let (before, after) = html.split_at(after_head.unwrap_or(0));
    [before, BASE, after].concat()
}

async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn with(status: StatusCode, headers: &[(HeaderName, &str)], body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_styles_and_scripts_are_served() {
        assert!(asset_file("styles/console.css").is_some());
        assert!(asset_file("scripts/flows.js").is_some());
        for path in [
            "flows.html",
            "scripts/../flows.html",
            "../console/scripts/flows.js",
            "scripts/../../src/main.js",
            "/etc/scripts/x.js",
            "styles/console.js",
            "",
        ] {
            assert!(asset_file(path).is_none(), "{path}");
        }
    }

    #[test]
    fn links_of_a_mail_open_elsewhere() {
        assert_eq!(with_base("<HTML><Head lang=en><title>"), format!("<HTML><Head lang=en>{BASE}<title>"));
        assert_eq!(with_base("<header>x"), format!("{BASE}<header>x"));
        assert_eq!(with_base("<p>ü"), format!("{BASE}<p>ü"));
    }
}
