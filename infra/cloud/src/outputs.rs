//! The keys of the stack's outputs.

/// The origin that browsers use, as `https://example.com`.
pub const SITE_URL: &str = "SiteUrl";
/// The distribution's own domain name, to which a domain's records point.
pub const DISTRIBUTION_DOMAIN: &str = "DistributionDomain";
/// The distribution's id, for invalidations.
pub const DISTRIBUTION_ID: &str = "DistributionId";
/// The bucket that the site's files lie in.
pub const SITE_BUCKET: &str = "SiteBucket";
/// The HTTP API's own address, without a slash at the end. Browsers use [`SITE_URL`].
pub const API_URL: &str = "ApiUrl";
/// The ARN of the topic that all alarms go to.
pub const ALARM_TOPIC: &str = "AlarmTopic";
/// What mail is sent as: a domain, or an address.
pub const MAIL_IDENTITY: &str = "MailIdentity";
/// The URL of the queue that keeps bounces and complaints.
pub const MAIL_FEEDBACK_QUEUE: &str = "MailFeedbackQueue";
/// The ARN of a topic of the model: `SmsInboundTopic` for `sms-inbound`. A provider is told to publish there.
#[must_use]
pub fn topic(name: &str) -> String {
    crate::resources::topic_id(name).0
}

/// The names of the three `CNAME` records that prove the mail domain; there if the identity is a domain.
pub const DKIM_NAMES: [&str; 3] = ["DkimName1", "DkimName2", "DkimName3"];
/// The values of those records.
pub const DKIM_VALUES: [&str; 3] = ["DkimValue1", "DkimValue2", "DkimValue3"];
