//! The live feed as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};

use super::Parts;

const HEARTBEAT: Duration = Duration::from_secs(15);

/// The feed from now on. It ends when the listener has fallen behind; it then connects again and
/// loads everything anew.
pub(super) async fn events(
    State(parts): State<Arc<Parts>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let feed = stream::unfold(parts.events.subscribe(), |mut feed| async {
        let event = feed.recv().await.ok()?;
        let event = Event::default().event(event.kind.name()).id(event.id.to_string()).data(&*event.data);
        Some((Ok(event), feed))
    });
    Sse::new(feed).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}
