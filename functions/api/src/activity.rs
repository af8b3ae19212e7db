use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use shared::error::Error;
use shared::event::Envelope;
use shared::http::{Caller, Fields, Json, Result, Time};
use shared::id::EventId;
use utoipa::{IntoParams, ToSchema};

use crate::Api;

/// A page of what has happened to a user.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityPage {
    /// Newest first.
    events: Vec<EventDocument>,
    /// Given as `cursor`, it gets the next page; null after the last.
    next_cursor: Option<String>,
    /// How many days back the plan shows; null: all.
    #[schema(example = 7)]
    history_days: Option<u32>,
    /// Whether this page ends where the plan does, and more is kept than it shows.
    older_hidden: bool,
}

/// Something that has happened to a user.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
struct EventDocument {
    /// Id.
    #[schema(example = "evt_019346f1a2b37c8d9e0f1a2b3c4d5e6f")]
    id: String,
    /// What kind.
    #[serde(rename = "type")]
    #[schema(example = "session.started")]
    kind: &'static str,
    /// When.
    time: Time,
    /// What else there is to say, by kind.
    #[schema(value_type = Object, example = json!({ "device": "Firefox on Linux" }))]
    data: serde_json::Value,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityQuery {
    /// The `next_cursor` of the page before. Without it: the first page.
    cursor: Option<String>,
    /// Most events on the page: 1 to 100, else 20.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

const DEFAULT_LIMIT: u16 = 20;
const MAX_LIMIT: u16 = 100;

/// What has happened to the signed-in user
///
/// As far back as the plan of the user's workspace shows.
#[utoipa::path(get, path = "/api/me/activity", tag = "api", params(ActivityQuery),
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The events, newest first", body = ActivityPage)),
)]
pub(crate) async fn activity(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<ActivityQuery>,
) -> Result<Json<ActivityPage>> {
    let (before, limit) = query.parse()?;
    let now = api.clock.now();
    // At once: what is open takes two round trips, the page one.
    let (open, page) = tokio::join!(
        api.store.entitlements(caller.user_id, now),
        api.store.activity(caller.user_id, before, limit),
    );
    let (open, page) = (open?, page?);
    let since = open.history_since(now);
    let shown = |event: &&Envelope| since.is_none_or(|since| event.time >= since);
    let events: Vec<_> =
        page.events.iter().take_while(shown).map(EventDocument::new).collect::<Result<_, _>>()?;
    let older_hidden = events.len() < page.events.len();
    Ok(Json(ActivityPage {
        events,
        next_cursor: page.next.filter(|_| !older_hidden).map(|id| id.to_string()),
        history_days: open.activity_history_days,
        older_hidden,
    }))
}

impl ActivityQuery {
    fn parse(&self) -> Result<(Option<EventId>, u16)> {
        let mut fields = Fields::default();
        let cursor = self.cursor.as_deref().map(str::parse).transpose();
        let cursor = fields.check("cursor", cursor.map_err(|_| "This is not a next_cursor of ours."));
        let limit = self.limit.as_deref().map_or(Ok(DEFAULT_LIMIT), str::parse).ok();
        let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
        let limit = fields.check("limit", limit.ok_or("Ask for 1 to 100 events."));
        match (cursor, limit) {
            (Some(cursor), Some(limit)) => Ok((cursor, limit)),
            _ => Err(fields.into()),
        }
    }
}

impl EventDocument {
    fn new(envelope: &Envelope) -> Result<Self, Error> {
        let mut event = serde_json::to_value(&envelope.event).map_err(Error::internal)?;
        Ok(Self {
            id: envelope.id.to_string(),
            kind: envelope.event.kind(),
            time: envelope.time.into(),
            data: event["data"].take(),
        })
    }
}
