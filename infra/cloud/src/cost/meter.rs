//! What AWS counts, and what it asks for it: list prices of us-east-1, as they were between July 2025 and September 2026.

/// Something that AWS counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meter {
    /// Alarms, by the metrics that they watch.
    AlarmMetrics,
    /// Dashboards of up to 50 metrics.
    Dashboards,
    /// Dashboards of more.
    LargeDashboards,
    /// Calls of SQS, by Lambda's pollers too.
    QueueRequests,
    /// Starts by the clock.
    ScheduleRuns,
    /// Requests to the distribution.
    CdnRequests,
    /// What the distribution sends.
    CdnGb,
    /// Runs of the distribution's functions.
    EdgeRuns,
    /// Requests to the HTTP API.
    ApiRequests,
    /// Invocations of functions.
    Invocations,
    /// Memory times duration of functions, on Graviton.
    ArmGbSeconds,
    /// The same on x86-64.
    X86GbSeconds,
    /// What is read from the table.
    ReadUnits,
    /// What is written to the table.
    WriteUnits,
    /// What the table holds.
    TableGb,
    /// What can be restored.
    BackupGb,
    /// Events on the bus.
    BusEvents,
    /// Events that can be replayed.
    ArchiveGb,
    /// Mails.
    Mails,
    /// Messages through topics.
    TopicMessages,
    /// Reads from the site's bucket.
    StorageReads,
    /// What is logged.
    LogGb,
    /// Traces.
    Traces,
    /// Metrics that AWS does not have by itself.
    CustomMetrics,
}

/// What a meter's unit costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// US dollars for one unit.
    pub usd: f64,
    /// The unit, in the plural.
    pub unit: &'static str,
    /// Units a month that are free for ever.
    pub free: f64,
}

const MILLION: f64 = 1e6;

impl Meter {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlarmMetrics => "Alarms",
            Self::Dashboards => "Dashboards",
            Self::LargeDashboards => "Dashboards of over 50 metrics",
            Self::QueueRequests => "SQS",
            Self::ScheduleRuns => "Scheduler",
            Self::CdnRequests => "CloudFront requests",
            Self::CdnGb => "CloudFront traffic",
            Self::EdgeRuns => "CloudFront Functions",
            Self::ApiRequests => "API Gateway",
            Self::Invocations => "Lambda invocations",
            Self::ArmGbSeconds => "Lambda time (arm64)",
            Self::X86GbSeconds => "Lambda time (x86-64)",
            Self::ReadUnits => "DynamoDB reads",
            Self::WriteUnits => "DynamoDB writes",
            Self::TableGb => "DynamoDB storage",
            Self::BackupGb => "DynamoDB point-in-time recovery",
            Self::BusEvents => "EventBridge",
            Self::ArchiveGb => "EventBridge archive",
            Self::Mails => "SES",
            Self::TopicMessages => "SNS topics",
            Self::StorageReads => "S3 reads",
            Self::LogGb => "Logs",
            Self::Traces => "X-Ray",
            Self::CustomMetrics => "Metrics of mail",
        }
    }

    /// What it costs, in us-east-1.
    #[must_use]
    pub const fn price(self) -> Price {
        let (usd, unit, free) = match self {
            Self::AlarmMetrics => (0.10, "alarms", 10.0),
            Self::Dashboards => (3.00, "dashboards", 3.0),
            Self::LargeDashboards => (3.00, "dashboards", 0.0),
            Self::QueueRequests => (0.40 / MILLION, "calls", MILLION),
            Self::ScheduleRuns => (1.00 / MILLION, "runs", 14.0 * MILLION),
            Self::CdnRequests => (1.00 / MILLION, "requests", 10.0 * MILLION),
            Self::CdnGb => (0.085, "GB", 1_000.0),
            Self::EdgeRuns => (0.10 / MILLION, "runs", 2.0 * MILLION),
            Self::ApiRequests => (1.00 / MILLION, "requests", 0.0),
            Self::Invocations => (0.20 / MILLION, "invocations", MILLION),
            Self::ArmGbSeconds => (0.000_013_333_4, "GB-seconds", 400_000.0),
            Self::X86GbSeconds => (0.000_016_666_7, "GB-seconds", 400_000.0),
            Self::ReadUnits => (0.125 / MILLION, "units", 0.0),
            Self::WriteUnits => (0.625 / MILLION, "units", 0.0),
            Self::TableGb => (0.25, "GB", 25.0),
            Self::BackupGb => (0.20, "GB", 0.0),
            Self::BusEvents => (1.00 / MILLION, "events", 0.0),
            Self::ArchiveGb => (0.10, "GB", 0.0),
            // Essentials, which accounts since 2026-07-21 have; older ones pay 0.10 a thousand.
            Self::Mails => (0.16 / 1_000.0, "mails", 0.0),
            Self::TopicMessages => (0.50 / MILLION, "messages", MILLION),
            Self::StorageReads => (0.40 / MILLION, "reads", 0.0),
            Self::LogGb => (0.50, "GB", 5.0),
            Self::Traces => (5.00 / MILLION, "traces", 100_000.0),
            Self::CustomMetrics => (0.30, "metrics", 10.0),
        };
        Price { usd, unit, free }
    }

    /// Why it runs, or does not, when nobody uses the app.
    #[must_use]
    pub const fn idle_reason(self) -> &'static str {
        match self {
            Self::AlarmMetrics => "AWS charges for an alarm whether it rings or not",
            Self::Dashboards | Self::LargeDashboards => {
                "AWS charges for a dashboard whether it is looked at or not"
            }
            Self::QueueRequests => "Lambda asks each queue for messages all the time, and each call counts",
            Self::ScheduleRuns => "the clock does not stop",
            Self::Invocations | Self::ArmGbSeconds | Self::X86GbSeconds | Self::LogGb | Self::Traces => {
                "the clock starts functions whether anybody is there or not"
            }
            Self::CdnRequests
            | Self::CdnGb
            | Self::EdgeRuns
            | Self::ApiRequests
            | Self::ReadUnits
            | Self::WriteUnits
            | Self::BusEvents
            | Self::ArchiveGb
            | Self::Mails
            | Self::TopicMessages
            | Self::StorageReads
            | Self::CustomMetrics => "only what happens is counted",
            Self::TableGb | Self::BackupGb => "only what is stored is counted",
        }
    }
}
