//! Where the platform listens: one origin for browsers, one address a service for functions.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::serve::ListenerExt;
use axum::{Router, middleware};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::guard::only_from_here;

/// How many free ports are tried, as one may be free at one address of this machine only.
const TRIES: u32 = 10;

/// Why there is nowhere to listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Someone else listens there.
    #[error("port {0} is already in use; stop what uses it or choose another with --port")]
    InUse(u16),
    /// This user may not listen there.
    #[error("port {0} needs an administrator; choose one above 1023 with --port")]
    Forbidden(u16),
    /// The system refuses.
    #[error("nothing can listen on this machine's own address: {0}")]
    Refused(#[source] io::Error),
}

/// The origin's listeners: `localhost` is 127.0.0.1 for some programs and ::1 for others.
pub(super) struct Front {
    port: u16,
    listeners: Vec<TcpListener>,
}

impl Front {
    /// Binds a port, or a free one for 0.
    pub(super) async fn bind(port: u16) -> Result<Self, Error> {
        let mut tries = if port == 0 { TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::try_bind(port).await {
                Err(Error::InUse(_)) if tries > 0 => {}
                result => return result,
            }
        }
    }

    async fn try_bind(port: u16) -> Result<Self, Error> {
        let because = |error: io::Error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                Error::InUse(port)
            } else if error.kind() == io::ErrorKind::PermissionDenied {
                Error::Forbidden(port)
            } else {
                Error::Refused(error)
            }
        };
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(because)?;
        let port = v4.local_addr().map_err(because)?.port();
        let mut listeners = vec![v4];
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(v6) => listeners.push(v6),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(Error::InUse(port));
            }
            // There is no IPv6 here.
            Err(_) => {}
        }
        Ok(Self { port, listeners })
    }

    pub(super) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Serves until `stop` turns true and the last request is answered.
    pub(super) fn serve(self, router: Router, stop: &watch::Sender<bool>) -> JoinSet<()> {
        let mut serving = JoinSet::new();
        for listener in self.listeners {
            let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
            let mut stop = stop.subscribe();
            let stopped = async move {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            serving.spawn(async move {
                let server = axum::serve(listener.tap_io(without_delay), service);
                report(server.with_graceful_shutdown(stopped).await);
            });
        }
        serving
    }
}

/// A service's listener.
pub(super) struct Service {
    listener: TcpListener,
    address: SocketAddr,
}

impl Service {
    pub(super) async fn bind_all<const N: usize>() -> Result<[Self; N], Error> {
        let mut services = Vec::with_capacity(N);
        for _ in 0..N {
            services.push(Self::bind().await.map_err(Error::Refused)?);
        }
        match services.try_into() {
            Ok(services) => Ok(services),
            Err(_) => unreachable!("as many were bound"),
        }
    }

    async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves functions, and whatever else runs on this machine, until the set is dropped.
    pub(super) fn serve(self, services: &mut JoinSet<()>, router: Router) {
        let router = router.layer(middleware::from_fn(only_from_here));
        services.spawn(async move {
            report(axum::serve(self.listener.tap_io(without_delay), router).await);
        });
    }
}

fn without_delay(stream: &mut TcpStream) {
    // Small answers would only wait longer.
    let _ = stream.set_nodelay(true);
}

fn report(served: io::Result<()>) {
    if let Err(error) = served {
        tracing::error!("a server has ended: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_one_plain_sentence() {
        let first = Front::bind(0).await.unwrap();
        let error = Front::bind(first.port).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("port {} is already in use; stop what uses it or choose another with --port", first.port)
        );
    }
}
