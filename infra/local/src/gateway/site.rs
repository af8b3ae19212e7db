//! The static site, as the CDN serves it: from memory, compressed, with entity tags.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use frontend::{Options, Site, Source};
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Smaller bodies gain nothing, and the CDN leaves them alone as well.
const SMALLEST_COMPRESSED_BYTES: usize = 1_000;

/// Good enough for a developer's eye on sizes, and quick in a debug build.
const BROTLI_QUALITY: u32 = 5;

/// The site, rendered anew when one of its source files has changed. Clones share it.
#[derive(Clone)]
pub struct Pages {
    options: Options,
    latest: Arc<Mutex<Option<Latest>>>,
}

/// The last rendering, and of which sources it is.
struct Latest {
    sources: Vec<Source>,
    rendered: Arc<Rendered>,
}

/// The site at one moment.
pub struct Rendered {
    /// For whoever renders pages of its own in the site's shells.
    pub site: Site,
    files: HashMap<String, Entity>,
}

/// A file with its compressed forms, which are made when they are first asked for.
struct Entity {
    content_type: &'static str,
    cache_control: &'static str,
    plain: Representation,
    gzip: OnceLock<Option<Representation>>,
    brotli: OnceLock<Option<Representation>>,
}

struct Representation {
    body: Bytes,
    etag: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Pages {
    /// The site of the app called so; nothing is rendered yet.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self { options: Options { name, console: true }, latest: Arc::default() }
    }

    /// The site as its source files are now.
    ///
    /// # Errors
    /// If a source file is wrong or cannot be read.
    pub fn current(&self) -> Result<Arc<Rendered>, frontend::Error> {
        let sources = frontend::sources()?;
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = &*latest
            && latest.sources == sources
        {
            return Ok(Arc::clone(&latest.rendered));
        }
        let fresh = Arc::new(Rendered::new(frontend::render(&self.options)?));
        *latest = Some(Latest { sources, rendered: Arc::clone(&fresh) });
        Ok(fresh)
    }

    /// Answers a request for a file of the site.
    pub async fn serve(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let (pages, method, path, headers) = (self.clone(), method.clone(), path.to_owned(), headers.clone());
        // The sources are looked at, and perhaps rendered and compressed: others are served meanwhile.
        let answered = tokio::task::spawn_blocking(move || pages.answer(&method, &path, &headers)).await;
        answered.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response();
        }
        match self.current() {
            Ok(rendered) => rendered.serve(method, path, headers),
            Err(error) => {
                tracing::error!("the site cannot be rendered: {error}");
                let text = format!("The site cannot be rendered: {error}\n");
                (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
            }
        }
    }
}

impl Rendered {
    fn new(site: Site) -> Self {
        let files = site.files.iter().map(|file| (file.path.clone(), Entity::new(file))).collect();
        Self { site, files }
    }

    fn serve(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        match self.files.get(path) {
            Some(entity) => entity.serve(StatusCode::OK, method, headers),
            None => match self.files.get(&self.site.not_found().path) {
                Some(entity) => entity.serve(StatusCode::NOT_FOUND, method, headers),
                None => StatusCode::NOT_FOUND.into_response(),
            },
        }
    }
}

impl Entity {
    fn new(file: &frontend::File) -> Self {
        Self {
            content_type: file.content_type,
            cache_control: file.cache_control,
            plain: Representation::new(Bytes::from(file.body.clone())),
            gzip: OnceLock::new(),
            brotli: OnceLock::new(),
        }
    }

    fn serve(&self, found: StatusCode, method: &Method, headers: &HeaderMap) -> Response {
        let (coding, representation) = self.negotiate(headers);
        let unchanged = found == StatusCode::OK && matches(headers, &representation.etag);
        let body = if unchanged || method == Method::HEAD {
            Body::empty()
        } else {
            Body::from(representation.body.clone())
        };
        let mut response = Response::new(body);
        *response.status_mut() = if unchanged { StatusCode::NOT_MODIFIED } else { found };
        let answer = response.headers_mut();
        answer.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        answer.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(etag) = HeaderValue::from_str(&representation.etag) {
            answer.insert(ETAG, etag);
        }
        if unchanged {
            return response;
        }
        answer.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        answer.insert(CONTENT_LENGTH, representation.body.len().into());
        if let Some(name) = coding.name() {
            answer.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    }

    fn negotiate(&self, headers: &HeaderMap) -> (Coding, &Representation) {
        let [brotli, gzip] = accepted(headers);
        if brotli && let Some(compressed) = self.compressed(&self.brotli, Coding::Brotli) {
            return (Coding::Brotli, compressed);
        }
        if gzip && let Some(compressed) = self.compressed(&self.gzip, Coding::Gzip) {
            return (Coding::Gzip, compressed);
        }
        (Coding::Identity, &self.plain)
    }

    fn compressed<'a>(
        &'a self,
        cell: &'a OnceLock<Option<Representation>>,
        coding: Coding,
    ) -> Option<&'a Representation> {
        cell.get_or_init(|| {
            if self.plain.body.len() < SMALLEST_COMPRESSED_BYTES || !self.is_compressible() {
                return None;
            }
            let body = coding.encode(&self.plain.body)?;
            (body.len() < self.plain.body.len()).then(|| Representation::new(body.into()))
        })
        .as_ref()
    }

    fn is_compressible(&self) -> bool {
        self.content_type.starts_with("text/")
            || ["javascript", "json", "xml"].iter().any(|kind| self.content_type.contains(kind))
    }
}

impl Representation {
    /// A strong tag: each coding is another sequence of bytes and has another tag.
    fn new(body: Bytes) -> Self {
        let mut etag = String::from('"');
        for byte in &Sha256::digest(&body)[..16] {
            let _ = write!(etag, "{byte:02x}");
        }
        etag.push('"');
        Self { body, etag }
    }
}

impl Coding {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    fn encode(self, body: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Brotli => {
                let mut writer = brotli::CompressorWriter::new(Vec::new(), 4_096, BROTLI_QUALITY, 22);
                writer.write_all(body).ok()?;
                Some(writer.into_inner())
            }
            Self::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                writer.write_all(body).ok()?;
                writer.finish().ok()
            }
            Self::Identity => None,
        }
    }
}

/// Whether brotli and gzip are acceptable.
fn accepted(headers: &HeaderMap) -> [bool; 2] {
    let (mut brotli, mut gzip, mut any) = (None, None, None);
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for coding in values.flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        let acceptable = quality.is_none_or(|quality| quality.parse().is_ok_and(|q: f32| q > 0.0));
        let seen = match name.to_ascii_lowercase().as_str() {
            "br" => &mut brotli,
            "gzip" | "x-gzip" => &mut gzip,
            "*" => &mut any,
            _ => continue,
        };
        *seen = Some(acceptable);
    }
    [brotli, gzip].map(|coding| coding.or(any).unwrap_or(false))
}

fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn entity() -> Entity {
        Entity::new(&frontend::File {
            path: "/".to_owned(),
            content_type: "text/html; charset=utf-8",
            cache_control: "no-cache",
            body: "all work and no play ".repeat(100).into_bytes(),
        })
    }

    fn get(entity: &Entity, name: HeaderName, value: &str) -> Response {
        let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
        entity.serve(StatusCode::OK, &Method::GET, &headers)
    }

    #[test]
    fn the_coding_is_the_best_that_the_browser_takes() {
        let entity = entity();
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0, gzip;q=0.5", Some("gzip")),
            ("*", Some("br")),
            ("identity, *;q=0", None),
            ("", None),
        ] {
            let response = get(&entity, ACCEPT_ENCODING, accepted);
            let coding = response.headers().get(CONTENT_ENCODING).map(|v| v.to_str().unwrap());
            assert_eq!(coding, expected, "{accepted}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_page_holds_up_nobody() {
        let pages = Pages::new("Test".to_owned());
        let mut answer = Box::pin(async { pages.serve(&Method::GET, "/", &HeaderMap::new()).await.status() });
        {
            let _rendering = pages.latest.lock().unwrap();
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(answer.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(answer.await, StatusCode::OK);
    }

    #[test]
    fn each_coding_has_its_own_tag_and_a_known_tag_saves_the_body() {
        let entity = entity();
        let plain = get(&entity, ACCEPT_ENCODING, "").headers()[ETAG].clone();
        let brotli = get(&entity, ACCEPT_ENCODING, "br").headers()[ETAG].clone();
        assert_ne!(plain, brotli);
        let known = format!("\"other\", W/{}", plain.to_str().unwrap());
        let response = get(&entity, IF_NONE_MATCH, &known);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get(&entity, IF_NONE_MATCH, "\"other\"").status(), StatusCode::OK);
        let missing = entity.serve(StatusCode::NOT_FOUND, &Method::GET, &response.headers().clone());
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn an_answer_to_head_has_a_length_and_no_body() {
        let response = entity().serve(StatusCode::OK, &Method::HEAD, &HeaderMap::new());
        assert_eq!(response.headers()[CONTENT_LENGTH], "2100");
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(0));
    }
}
