//! What the stack costs a month: every resource of the template is priced, and one that cannot be is an error.
//!
//! Each resource feeds meters, or is free for a reason; each [`Meter`] has a price and a quantity that is free for ever.
//! At no use at all nearly every meter stands still. Those that do not are the exceptions to "pay only for what runs".

mod meter;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

pub use meter::{Meter, Price};

/// How much the app is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// People who use it in a month.
    pub people: f64,
}

impl Usage {
    /// Nobody.
    pub const GHOST_TOWN: Self = Self { people: 0.0 };
    /// A thousand people.
    pub const THOUSAND: Self = Self { people: 1e3 };
    /// A million people.
    pub const MILLION: Self = Self { people: 1e6 };
}

/// What one person does in a month, and other things that had to be assumed. Measure your own.
pub const ASSUMPTIONS: &[&str] = &[
    "us-east-1, list prices without tax, in an account with nothing else; free tiers only where they never end",
    "a person comes 20 times a month, loads 4 files each time (50 KB) and makes 120 API requests (2 KB each)",
    "API requests are spread evenly over the HTTP functions, and take 20 ms of function, 2 read and 1 write unit each",
    "a person changes something 8 times a month: a transaction of 10 write units, an event to every consumer, 4 more \
     write units there; publisher and consumers take 50 ms an event",
    "the clock's functions run a second each time",
    "a person is sent 3 mails a month, and keeps 0.1 MB in the table",
    "a request logs 2 KB; one request in 20 is traced",
    "an idle queue is asked 15 times a minute by Lambda's pollers",
    "texts are not counted: their price is the country's and the carrier's",
    "outside the stack: the domain, its hosted zone ($0.50 a month), 5 to 10 MB of zips in the CDK's bucket, support",
];

const VISITS: f64 = 20.0;
const FILES: f64 = VISITS * 4.0;
const REQUESTS: f64 = 120.0;
const CHANGES: f64 = 8.0;
const MAILS: f64 = 3.0;
const CDN_GB: f64 = (VISITS * 50.0 + REQUESTS * 2.0) / 1e6;
const TABLE_GB: f64 = 1e-4;
const LOG_GB: f64 = 2e-6;
const TRACED: f64 = 0.05;
const HTTP_SECONDS: f64 = 0.02;
const EVENT_SECONDS: f64 = 0.05;
const SCHEDULED_SECONDS: f64 = 1.0;
const EVENT_GB: f64 = 1e-6;
const POLLS: f64 = 15.0 * MINUTES;
const MINUTES: f64 = 60.0 * 24.0 * 30.0;

/// What a month costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// By meter, those that run only.
    pub lines: Vec<Line>,
    /// US dollars.
    pub total_usd: f64,
}

/// A meter and what it shows at the end of the month.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Which.
    pub meter: Meter,
    /// How much, in the meter's unit.
    pub quantity: f64,
    /// US dollars without any free tier.
    pub list_usd: f64,
    /// US dollars.
    pub usd: f64,
    /// The resources that feed it, by logical id.
    pub resources: Vec<String>,
}

/// A resource, and how it is priced.
#[derive(Debug, Clone, PartialEq)]
pub struct Priced {
    /// Its logical id.
    pub id: String,
    /// Its type, as `AWS::SQS::Queue`.
    pub resource_type: String,
    /// What it is charged for.
    pub charge: Charge,
}

/// What a resource is charged for.
#[derive(Debug, Clone, PartialEq)]
pub enum Charge {
    /// Nothing, for this reason.
    Free(&'static str),
    /// What these meters show.
    Metered(Vec<(Meter, f64)>),
}

/// A resource whose price nobody wrote down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id} has no price: {resource_type} is not known to infra/cloud/src/cost")]
pub struct Unpriced {
    /// Its logical id.
    pub id: String,
    /// Its type.
    pub resource_type: String,
}

impl Line {
    /// What a ghost town pays for this, and why.
    #[must_use]
    pub fn why(&self) -> &'static str {
        self.meter.idle_reason()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Price { unit, .. } = self.meter.price();
        write!(f, "{}: {} {unit}, ${:.2}", self.meter.name(), amount(self.quantity), self.usd)
    }
}

/// What a month of such use costs, by the resources of this template.
///
/// # Errors
/// If a resource has no price.
pub fn estimate(template: &Value, usage: Usage) -> Result<Estimate, Unpriced> {
    let mut meters: BTreeMap<Meter, (f64, Vec<String>)> = BTreeMap::new();
    for priced in prices(template, usage)? {
        let Charge::Metered(fed) = priced.charge else { continue };
        for (meter, quantity) in fed.into_iter().filter(|(_, quantity)| *quantity > 0.0) {
            let (sum, resources) = meters.entry(meter).or_default();
            *sum += quantity;
            resources.push(priced.id.clone());
        }
    }
    let lines: Vec<_> = meters
        .into_iter()
        .map(|(meter, (quantity, resources))| {
            let price = meter.price();
            let usd = (quantity - price.free).max(0.0) * price.usd;
            Line { meter, quantity, list_usd: quantity * price.usd, usd, resources }
        })
        .collect();
    let total_usd = lines.iter().map(|line| line.usd).sum();
    Ok(Estimate { lines, total_usd })
}

/// Every resource of the template with what it is charged for.
///
/// # Errors
/// If a resource has no price.
pub fn prices(template: &Value, usage: Usage) -> Result<Vec<Priced>, Unpriced> {
    let resources = Resources::of(template);
    let price = |(id, resource): (&String, &Value)| {
        let resource_type = resource["Type"].as_str().unwrap_or_default().to_owned();
        match charge(id, &resource_type, &resource["Properties"], &resources, usage) {
            Some(charge) => Ok(Priced { id: id.clone(), resource_type, charge }),
            None => Err(Unpriced { id: id.clone(), resource_type }),
        }
    };
    template["Resources"].as_object().into_iter().flatten().map(price).collect()
}

/// What of the template matters for more than one price.
struct Resources<'a> {
    http_functions: Vec<&'a str>,
    /// How often the clock starts a function in a month.
    scheduled: BTreeMap<&'a str, f64>,
    rules: f64,
}

impl<'a> Resources<'a> {
    fn of(template: &'a Value) -> Self {
        let all = || template["Resources"].as_object().into_iter().flatten();
        let properties =
            |of: &'static str| all().filter(move |(_, it)| it["Type"] == of).map(|(_, it)| &it["Properties"]);
        let http_functions = properties("AWS::ApiGatewayV2::Integration")
            .filter_map(|integration| integration["IntegrationUri"]["Fn::GetAtt"][0].as_str())
            .collect();
        let scheduled = properties("AWS::Scheduler::Schedule")
            .filter_map(|schedule| {
                Some((schedule["Target"]["Arn"]["Fn::GetAtt"][0].as_str()?, runs(schedule)))
            })
            .collect();
        Self { http_functions, scheduled, rules: properties("AWS::Events::Rule").count() as f64 }
    }
}

fn charge(
    id: &str,
    kind: &str,
    properties: &Value,
    resources: &Resources<'_>,
    usage: Usage,
) -> Option<Charge> {
    use Charge::{Free, Metered};
    let people = usage.people;
    let requests = people * REQUESTS;
    let changes = people * CHANGES;
    Some(match kind {
        "AWS::ApiGatewayV2::Api" => Metered(vec![(Meter::ApiRequests, requests)]),
        "AWS::Budgets::Budget" => Free("a budget that only warns costs nothing"),
        "AWS::CertificateManager::Certificate" => Free("public certificates cost nothing"),
        "AWS::CloudFront::Distribution" => Metered(vec![
            (Meter::CdnRequests, requests + people * FILES),
            (Meter::CdnGb, people * CDN_GB),
            (Meter::EdgeRuns, requests + people * FILES * 2.0),
        ]),
        "AWS::CloudFront::Function" => Free("its runs are counted with the distribution"),
        "AWS::CloudWatch::Alarm" => Metered(vec![(Meter::AlarmMetrics, 1.0)]),
        "AWS::CloudWatch::Dashboard" => Metered(vec![(dashboard(properties), 1.0)]),
        "AWS::DynamoDB::Table" => Metered(vec![
            (Meter::ReadUnits, requests * 2.0),
            (Meter::WriteUnits, requests + changes * 10.0 + changes * resources.rules * 4.0),
            (Meter::TableGb, people * TABLE_GB),
            (Meter::BackupGb, people * TABLE_GB),
        ]),
        "AWS::Events::EventBus" => Metered(vec![(Meter::BusEvents, changes)]),
        "AWS::Events::Archive" => Metered(vec![(Meter::ArchiveGb, changes * EVENT_GB)]),
        "AWS::Lambda::EventSourceMapping" => {
            if is_queue(properties) {
                // Received and deleted, on top of asking in vain.
                Metered(vec![(Meter::QueueRequests, POLLS + changes * 2.0)])
            } else {
                Free("Lambda reads a table's stream for nothing")
            }
        }
        "AWS::Lambda::Function" => function(id, properties, resources, requests, changes),
        "AWS::Logs::LogGroup" => Free("what is written is counted with who writes it"),
        "AWS::S3::Bucket" => Metered(vec![(Meter::StorageReads, people * FILES)]),
        "AWS::SES::EmailIdentity" => Metered(vec![(Meter::Mails, people * MAILS)]),
        "AWS::SES::ConfigurationSetEventDestination" => {
            // A metric exists once a mail was sent.
            let is_counted =
                !properties["EventDestination"]["CloudWatchDestination"].is_null() && people > 0.0;
            Metered(vec![(Meter::CustomMetrics, if is_counted { MAIL_METRICS } else { 0.0 })])
        }
        "AWS::SNS::Topic" => Metered(vec![(Meter::TopicMessages, 0.0)]),
        "AWS::SQS::Queue" => {
            Metered(vec![(Meter::QueueRequests, changes * f64::from(u8::from(is_main(properties))))])
        }
        "AWS::Scheduler::Schedule" => Metered(vec![(Meter::ScheduleRuns, runs(properties))]),
        "AWS::ApiGatewayV2::Integration"
        | "AWS::ApiGatewayV2::Route"
        | "AWS::ApiGatewayV2::Stage"
        | "AWS::CloudFront::OriginAccessControl"
        | "AWS::CloudFront::ResponseHeadersPolicy"
        | "AWS::Events::Rule"
        | "AWS::IAM::Role"
        | "AWS::Lambda::Permission"
        | "AWS::S3::BucketPolicy"
        | "AWS::SES::ConfigurationSet"
        | "AWS::SNS::Subscription"
        | "AWS::SNS::TopicPolicy"
        | "AWS::SQS::QueuePolicy" => Free("a setting"),
        "AWS::Route53::RecordSet" => Free("records cost nothing; their zone is outside the stack"),
        _ => return None,
    })
}

/// What is counted of mail.
const MAIL_METRICS: f64 = 6.0;

fn function(id: &str, properties: &Value, resources: &Resources<'_>, requests: f64, changes: f64) -> Charge {
    let (runs, seconds) = if let Some(runs) = resources.scheduled.get(id) {
        (*runs, SCHEDULED_SECONDS)
    } else if resources.http_functions.contains(&id) {
        (requests / resources.http_functions.len() as f64, HTTP_SECONDS)
    } else {
        (changes, EVENT_SECONDS)
    };
    let gb = properties["MemorySize"].as_f64().unwrap_or_default() / 1_024.0;
    let time = match properties["Architectures"][0].as_str() {
        Some("arm64") => Meter::ArmGbSeconds,
        _ => Meter::X86GbSeconds,
    };
    Charge::Metered(vec![
        (Meter::Invocations, runs),
        (time, runs * seconds * gb),
        (Meter::LogGb, runs * LOG_GB),
        (Meter::Traces, runs * TRACED),
    ])
}

fn dashboard(properties: &Value) -> Meter {
    const FREE_METRICS: usize = 50;
    let body = properties["DashboardBody"]["Fn::Sub"].as_str().unwrap_or_default();
    if body.matches("[\"AWS/").count() > FREE_METRICS { Meter::LargeDashboards } else { Meter::Dashboards }
}

fn is_queue(mapping: &Value) -> bool {
    mapping["EventSourceArn"]["Fn::GetAtt"][1] == "Arn"
}

/// Whether it is a queue that messages go through, not one where they end.
fn is_main(queue: &Value) -> bool {
    !queue["RedrivePolicy"].is_null()
}

fn runs(schedule: &Value) -> f64 {
    let expression = schedule["ScheduleExpression"].as_str().unwrap_or_default();
    let every = expression.strip_prefix("rate(").and_then(|rest| rest.split(' ').next());
    every.and_then(|minutes| minutes.parse::<f64>().ok()).map_or(0.0, |minutes| MINUTES / minutes)
}

/// Large and small numbers as people read them.
fn amount(quantity: f64) -> String {
    match quantity {
        it if it >= 1e6 => format!("{:.1} M", it / 1e6),
        it if it >= 1e4 => format!("{:.0} k", it / 1e3),
        it if it >= 10.0 || it.fract() == 0.0 => format!("{it:.0}"),
        it => format!("{it:.3}"),
    }
}
