//! Mail: who may send as whom, and what becomes of it.
//!
//! Everything that is sent counts on the dashboard. Addresses that bounce or complain are suppressed by SES
//! itself, and kept in a queue for whoever wants to know; a function that handles them takes the queue's place.

use stratosphere::services::aws::ses::{
    ConfigurationSet, ConfigurationSetEventDestination, EmailIdentity, configurationset,
    configurationseteventdestination, emailidentity,
};
use stratosphere::services::aws::sns::Subscription;
use stratosphere::services::aws::sqs::Queue;
use stratosphere::value::{get_att, get_att_arn};

use super::events::{DEAD_LETTER_SECONDS, add_policy, add_published_topic, may_send};
use super::{MAIL_CONFIGURATION, MAIL_IDENTITY, topic_id};
use crate::stack::{Id, Stack, refer, reference, text};
use crate::stage::MailIdentity;
use crate::{Context, names, outputs};

/// The topic of the model that is told what becomes of mail, if it has one.
const FEEDBACK: &str = "mail-feedback";

/// The tag that SES itself puts on each message. Those of the mailer, the kind of message among them, would make a
/// metric of each kind, and each metric costs.
pub(super) const CONFIGURATION_TAG: &str = "ses:configuration-set";

pub(super) fn add(stack: &mut Stack, context: &Context<'_>) {
    let configuration = stack.add(
        MAIL_CONFIGURATION,
        ConfigurationSet! {
            name: text(names::configuration_set(context.app, &context.stage.name)),
            reputation_options: configurationset::ReputationOptions! { reputation_metrics_enabled: true },
            sending_options: configurationset::SendingOptions! { sending_enabled: true },
            suppression_options: configurationset::SuppressionOptions! {
                suppressed_reasons: vec!["BOUNCE".into(), "COMPLAINT".into()]
            }
        },
    );
    add_identity(stack, context, &configuration);
    count(stack, context, &configuration);
    tell(stack, context, &configuration);
}

fn add_identity(stack: &mut Stack, context: &Context<'_>, configuration: &Id) {
    let stage = context.stage;
    let sender = stage.mail_sender().unwrap_or_default();
    // The sender names no configuration set: it is the identity's.
    let with = emailidentity::ConfigurationSetAttributes! { configuration_set_name: refer(configuration) };
    let identity = match stage.mail_identity {
        MailIdentity::Existing => {
            stack.output(outputs::MAIL_IDENTITY, "What mail is sent as", text(sender));
            return;
        }
        MailIdentity::Domain => EmailIdentity! {
            email_identity: sender,
            configuration_set_attributes: with,
            mail_from_attributes: emailidentity::MailFromAttributes! {
                mail_from_domain: text(bounce_domain(sender)),
                // Until its records are there, bounces go to Amazon's own domain.
                behavior_on_mx_failure: "USE_DEFAULT_VALUE"
            }
        },
        MailIdentity::Address => EmailIdentity! {
            email_identity: sender,
            configuration_set_attributes: with
        },
    };
    let identity = stack.add(MAIL_IDENTITY, identity);
    stack.output(outputs::MAIL_IDENTITY, "What mail is sent as", &identity);
    if stage.mail_identity == MailIdentity::Domain {
        for (index, (name, value)) in outputs::DKIM_NAMES.iter().zip(outputs::DKIM_VALUES).enumerate() {
            let [name_attribute, value_attribute] = dkim_attributes(index);
            stack.output(
                name,
                "CNAME that proves the mail domain",
                get_att(&identity, name_attribute.as_str()),
            );
            stack.output(value, "Its value", get_att(&identity, value_attribute.as_str()));
        }
    }
}

/// The attributes of the identity that hold the name and the value of its DKIM record of this index.
pub(super) fn dkim_attributes(index: usize) -> [String; 2] {
    ["Name", "Value"].map(|part| format!("DkimDNSToken{part}{}", index + 1))
}

/// The domain that bounces come to, which must lie below the sender's.
pub(super) fn bounce_domain(domain: &str) -> String {
    format!("bounce.{domain}")
}

/// All that happens to mail, counted.
fn count(stack: &mut Stack, context: &Context<'_>, configuration: &Id) {
    use configurationseteventdestination as to;
    let types = ["SEND", "DELIVERY", "BOUNCE", "COMPLAINT", "REJECT", "DELIVERY_DELAY"];
    stack.add(
        "MailCounts",
        ConfigurationSetEventDestination! {
            configuration_set_name: refer(configuration),
            event_destination: to::EventDestination! {
                name: "counts",
                enabled: true,
                matching_event_types: types.map(Into::into).to_vec(),
                cloud_watch_destination: Box::new(to::CloudWatchDestination! {
                    dimension_configurations: vec![to::DimensionConfiguration! {
                        dimension_name: CONFIGURATION_TAG,
                        dimension_value_source: "messageTag",
                        default_dimension_value: text(names::configuration_set(context.app, &context.stage.name))
                    }]
                })
            }
        },
    );
}

/// Bounces, complaints and refusals go to a topic: the model's, if it has one of that name, or else one with a queue
/// that keeps what comes. They hold addresses, so that no log may have them (K2).
fn tell(stack: &mut Stack, context: &Context<'_>, configuration: &Id) {
    use configurationseteventdestination as to;
    let handled = context.app.topics.iter().any(|topic| topic.name == FEEDBACK);
    let topic = topic_id(FEEDBACK);
    if !handled {
        keep(stack, context, &topic);
    }
    let destination = stack.add(
        "MailFeedback",
        ConfigurationSetEventDestination! {
            configuration_set_name: refer(configuration),
            event_destination: to::EventDestination! {
                name: "feedback",
                enabled: true,
                matching_event_types: ["BOUNCE", "COMPLAINT", "DELIVERY", "REJECT"]
                    .into_iter()
                    .filter(|event| handled || *event != "DELIVERY")
                    .map(Into::into)
                    .collect::<Vec<_>>(),
                sns_destination: Box::new(to::SnsDestination! { topic_arn: refer(&topic) })
            }
        },
    );
    // SES tries whether it may.
    stack.after(&destination, &[Id(format!("{topic}Policy"))]);
}

fn keep(stack: &mut Stack, context: &Context<'_>, topic: &Id) {
    let name = names::mail_feedback(context.app, &context.stage.name);
    add_published_topic(stack, topic, name.clone(), &["ses.amazonaws.com"]);
    let queue = stack.add(
        "MailFeedbackQueue",
        Queue! {
            queue_name: text(&name),
            message_retention_period: DEAD_LETTER_SECONDS,
            sqs_managed_sse_enabled: true
        },
    );
    stack.discard(&queue);
    add_policy(stack, &queue, &[may_send("sns.amazonaws.com", &reference(topic), &queue)]);
    stack.add(
        "MailFeedbackSubscription",
        Subscription! {
            topic_arn: refer(topic),
            protocol: "sqs",
            endpoint: get_att_arn(&queue),
            raw_message_delivery: true
        },
    );
    stack.output(outputs::MAIL_FEEDBACK_QUEUE, "Bounces and complaints of the last 14 days", refer(&queue));
}
