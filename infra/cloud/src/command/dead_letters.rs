//! Messages that a function failed on for good.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use infra_cloud::names;
use infra_model::{Function, Trigger};

use super::failure::{Failure, Result};
use super::stream_failures;
use super::target::{self, MODEL, Place, Target};
use super::terminal::{self, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show which there are
    List {
        /// Only those of this function
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
    },
    /// Show one with its body
    Show {
        /// The message's id, or its beginning
        id: String,
    },
    /// Try again, once what was wrong is mended
    Redrive {
        /// The message's id, or its beginning
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All that there are
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Only those of this function
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
    },
}

/// Seconds for which nobody else sees a message that is being looked at.
const LOOK_SECONDS: i32 = 30;

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    let wanted = match &arguments.verb {
        Verb::List { function } | Verb::Redrive { function, .. } => function.as_deref(),
        Verb::Show { .. } => None,
    };
    let functions: Vec<&'static Function> = match wanted {
        Some(name) => vec![target::function(name)?],
        None => MODEL.functions.iter().collect(),
    };
    let place = target.connect().await?;
    place.stack().await?;
    let sqs = Client::new(&place.aws.config);
    let mut held = Vec::new();
    for function in functions.into_iter().filter(|function| has_queue(function)) {
        let url = url(&sqs, &names::dead_letters(MODEL, &place.stage.name, function.name)).await?;
        for message in receive_all(&sqs, &url).await? {
            held.push(DeadLetter { function, url: url.clone(), message });
        }
    }
    let done = match &arguments.verb {
        Verb::List { .. } => list(&held),
        Verb::Show { id } => show(&held, id),
        Verb::Redrive { id, .. } => redrive(&place, &sqs, &held, id.as_deref()).await,
    };
    release(&sqs, &held).await;
    done
}

/// Whether there is a queue of what the function failed on.
pub(crate) fn has_queue(function: &Function) -> bool {
    match function.trigger {
        Trigger::Queue(_) | Trigger::Stream(_) => true,
        Trigger::Http | Trigger::Schedule(_) => false,
    }
}

/// How many messages a queue holds, those included that somebody works on.
pub(crate) async fn depth(sqs: &Client, name: &str) -> Result<u64> {
    let url = url(sqs, name).await?;
    let attributes = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let found = sqs.get_queue_attributes().queue_url(url);
    let found = found.set_attribute_names(Some(attributes.to_vec())).send().await;
    let found = found.map_err(|error| Failure::aws(&format!("reading the queue {name}"), &error))?;
    let found: HashMap<_, _> = found.attributes.unwrap_or_default();
    Ok(attributes.iter().filter_map(|name| found.get(name)?.parse::<u64>().ok()).sum())
}

struct DeadLetter {
    function: &'static Function,
    /// Of the queue that it lies in.
    url: String,
    message: Message,
}

impl DeadLetter {
    fn id(&self) -> &str {
        self.message.message_id().unwrap_or_default()
    }

    fn body(&self) -> &str {
        self.message.body().unwrap_or_default()
    }

    /// What it is about: the event's type, or the failure's records.
    fn what(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(self.body()).unwrap_or_default();
        if let Some(event) = body["detail-type"].as_str() {
            return event.to_owned();
        }
        match body["DDBStreamBatchInfo"]["batchSize"].as_u64() {
            Some(records) => format!("{records} records of the table's stream"),
            None => "not an event of the app".to_owned(),
        }
    }

    fn sent(&self) -> String {
        let attributes = self.message.attributes.as_ref();
        let sent = attributes.and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
        sent.and_then(|text| text.parse().ok())
            .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok())
            .map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default()
    }
}

fn list(held: &[DeadLetter]) -> Result<()> {
    if held.is_empty() {
        say!("There are no dead letters.");
        return Ok(());
    }
    let rows: Vec<_> = held
        .iter()
        .map(|it| vec![it.id().to_owned(), it.function.name.to_owned(), it.sent(), it.what()])
        .collect();
    terminal::table(&["message", "function", "sent (UTC)", "what"], &rows);
    Ok(())
}

fn show(held: &[DeadLetter], id: &str) -> Result<()> {
    let letter = find(held, id)?;
    terminal::facts(&[
        ("Message", letter.id().to_owned()),
        ("Function", letter.function.name.to_owned()),
        ("Sent", format!("{} UTC", letter.sent())),
        ("What", letter.what()),
    ]);
    say!();
    match serde_json::from_str::<serde_json::Value>(letter.body()) {
        Ok(json) => say!("{json:#}"),
        Err(_) => say!("{}", letter.body()),
    }
    Ok(())
}

fn find<'a>(held: &'a [DeadLetter], id: &str) -> Result<&'a DeadLetter> {
    let mut found = held.iter().filter(|letter| letter.id().starts_with(id));
    match (found.next(), found.next()) {
        (Some(letter), None) => Ok(letter),
        (None, _) => Err(Failure::new(format!(
            "there is no dead letter {id}; cargo cloud dead-letters list shows those there are"
        ))),
        (Some(_), Some(_)) => {
            Err(Failure::new(format!("several dead letters begin with {id}; give more of the id")))
        }
    }
}

async fn redrive(place: &Place, sqs: &Client, held: &[DeadLetter], id: Option<&str>) -> Result<()> {
    let chosen: Vec<_> = match id {
        Some(id) => vec![find(held, id)?],
        None => held.iter().collect(),
    };
    let is_none = chosen.is_empty();
    let mut again: BTreeMap<&str, usize> = BTreeMap::new();
    let mut outcome = Ok(());
    for letter in chosen {
        outcome = redrive_one(place, sqs, letter).await;
        if outcome.is_err() {
            break;
        }
        *again.entry(letter.function.name).or_default() += 1;
    }
    if is_none {
        say!("There are no dead letters.");
    }
    for (function, count) in again {
        say!("{count} of {function} tried again.");
    }
    outcome
}

async fn redrive_one(place: &Place, sqs: &Client, letter: &DeadLetter) -> Result<()> {
    match letter.function.trigger {
        Trigger::Queue(_) => send_again(place, sqs, letter).await?,
        Trigger::Stream(_) => stream_failures::run_again(place, letter.function, letter.body()).await?,
        Trigger::Http | Trigger::Schedule(_) => {}
    }
    // Only now: a message that is in both queues is handled twice, and consumers take that.
    let handle = letter.message.receipt_handle().unwrap_or_default();
    let deleted = sqs.delete_message().queue_url(&letter.url).receipt_handle(handle).send().await;
    deleted.map_err(|error| Failure::aws("removing the dead letter", &error))?;
    Ok(())
}

async fn send_again(place: &Place, sqs: &Client, letter: &DeadLetter) -> Result<()> {
    let queue = url(sqs, &names::queue(MODEL, &place.stage.name, letter.function.name)).await?;
    let attributes: Option<HashMap<String, MessageAttributeValue>> =
        letter.message.message_attributes.clone();
    let sent = sqs.send_message().queue_url(queue).message_body(letter.body());
    let sent = sent.set_message_attributes(attributes).send().await;
    sent.map_err(|error| Failure::aws("putting the message back", &error))?;
    Ok(())
}

/// A queue has no way to look: what is received is hidden from others until it is released. Of so many that the first
/// come back before the last are seen, each is there once, as it came last: an older receipt removes nothing any more.
async fn receive_all(sqs: &Client, url: &str) -> Result<Vec<Message>> {
    let mut all: Vec<Message> = Vec::new();
    let mut places: HashMap<Option<String>, usize> = HashMap::new();
    loop {
        let received = sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .visibility_timeout(LOOK_SECONDS)
            .wait_time_seconds(1)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|error| Failure::aws("reading the dead letters", &error))?;
        let before = all.len();
        for message in received.messages.unwrap_or_default() {
            match places.entry(message.message_id.clone()) {
                Entry::Vacant(place) => {
                    place.insert(all.len());
                    all.push(message);
                }
                Entry::Occupied(place) => all[*place.get()] = message,
            }
        }
        if all.len() == before {
            return Ok(all);
        }
    }
}

/// Lets others see them at once. Those that were deleted are refused, and those that are not released come back by
/// themselves a little later.
async fn release(sqs: &Client, held: &[DeadLetter]) {
    for letter in held {
        let handle = letter.message.receipt_handle().unwrap_or_default();
        let change = sqs.change_message_visibility().queue_url(&letter.url).receipt_handle(handle);
        let _ = change.visibility_timeout(0).send().await;
    }
}

async fn url(sqs: &Client, name: &str) -> Result<String> {
    let found = sqs.get_queue_url().queue_name(name).send().await;
    let found = found.map_err(|error| Failure::aws(&format!("finding the queue {name}"), &error))?;
    Ok(found.queue_url.unwrap_or_default())
}
