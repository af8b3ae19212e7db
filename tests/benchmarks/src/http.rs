//! HTTP/1.1 over blocking sockets, for both ends of a connection.
//!
//! The standard library's sockets are optimised whatever this program is built as, and nothing stands between
//! a byte's arrival and the clock.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::Result;

/// A connection, seen from either end.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// A request that was received.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// A response that was received.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    /// As it was sent: what is compressed stays so.
    pub(crate) body: Vec<u8>,
    /// Bytes of the status line and the headers.
    pub(crate) head_bytes: usize,
}

/// The headers of a message.
pub(crate) struct Headers(Vec<(String, String)>);

/// Nothing that is measured here takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(30);

const MAX_HEADERS: usize = 64;

impl Connection {
    /// Connects to a port of this machine.
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        Self::of(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)
    }

    pub(crate) fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    pub(crate) fn write(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(message)
    }

    /// The next request, or `None` if the other end has closed the connection.
    pub(crate) fn read_request(&mut self) -> Result<Option<Request>> {
        let head = read_head(&mut self.stream)?;
        if head.is_empty() {
            return Ok(None);
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        request.parse(&head)?;
        let method = request.method.unwrap_or_default().to_owned();
        let path = request.path.unwrap_or_default().to_owned();
        let headers = Headers::of(request.headers);
        let body = read_body(&mut self.stream, &headers, false)?;
        Ok(Some(Request { method, path, body }))
    }

    /// Sends a request and waits for its response.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        let port = self.socket().peer_addr()?.port();
        let mut message = format!("{method} {path} HTTP/1.1\r\nhost: localhost:{port}\r\n");
        for (name, value) in headers {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            message.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        message.push_str("\r\n");
        self.write(&[message.as_bytes(), body].concat())?;
        let response = Response::read(&mut self.stream)?;
        response.ok_or_else(|| format!("{method} {path}: the connection was closed").into())
    }
}

impl Response {
    /// The next response, or `None` at the end.
    pub(crate) fn read(stream: &mut impl BufRead) -> Result<Option<Self>> {
        let head = read_head(stream)?;
        if head.is_empty() {
            return Ok(None);
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        response.parse(&head)?;
        let status = response.code.unwrap_or_default();
        let headers = Headers::of(response.headers);
        let has_body = status >= 200 && status != 204 && status != 304;
        let body = if has_body { read_body(stream, &headers, true)? } else { Vec::new() };
        Ok(Some(Self { status, headers, body, head_bytes: head.len() }))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Headers {
    fn of(headers: &[httparse::Header<'_>]) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self(headers.iter().map(|header| (header.name.to_ascii_lowercase(), text(header.value))).collect())
    }

    /// The values of the header of that name, which is in lower case.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }
}

/// Up to the empty line; empty if there is nothing more.
fn read_head(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head)? == 0 {
            if head.is_empty() {
                break;
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn read_body(stream: &mut impl BufRead, headers: &Headers, ends_with_connection: bool) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked")) {
        while read_chunk(stream, &mut body)? {}
    } else if let Some(length) = headers.get("content-length") {
        body.resize(length.parse()?, 0);
        stream.read_exact(&mut body)?;
    } else if ends_with_connection {
        stream.read_to_end(&mut body)?;
    }
    Ok(body)
}

/// False after the last.
fn read_chunk(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<bool> {
    let mut size = String::new();
    stream.read_line(&mut size)?;
    let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
    stream.take(size).read_to_end(body)?;
    let mut end = [0; 2];
    stream.read_exact(&mut end)?;
    Ok(size > 0)
}
