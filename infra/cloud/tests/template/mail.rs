use std::collections::BTreeSet;

use infra_cloud::Stage;
use infra_cloud::stage::MailIdentity;
use infra_model::{APP, App};
use serde_json::Value;

use crate::{Template, everything, full, small, target, texts};

fn destinations(template: &Template) -> impl Iterator<Item = &Value> {
    template.of_type("AWS::SES::ConfigurationSetEventDestination").map(|(_, it)| &it["EventDestination"])
}

/// S1
#[test]
fn s1_addresses_that_bounce_or_complain_are_suppressed_and_told_of() {
    let template = Template::of(&App { topics: &[], ..APP }, &small());
    let set = template.properties("MailConfiguration");
    assert_eq!(texts(&set["SuppressionOptions"]["SuppressedReasons"]), ["BOUNCE", "COMPLAINT"]);
    assert_eq!(set["ReputationOptions"]["ReputationMetricsEnabled"], true);
    let identity = template.properties("MailIdentity");
    assert_eq!(
        target(&identity["ConfigurationSetAttributes"]["ConfigurationSetName"]),
        "MailConfiguration",
        "the mailer names no configuration set"
    );
    let told = destinations(&template).find(|it| !it["SnsDestination"].is_null()).unwrap();
    let types: BTreeSet<_> = texts(&told["MatchingEventTypes"]).into_iter().collect();
    assert!(types.is_superset(&BTreeSet::from(["BOUNCE", "COMPLAINT"])), "{types:?}");
    let topic = target(&told["SnsDestination"]["TopicARN"]);
    let subscription =
        template.of_type("AWS::SNS::Subscription").find(|(_, it)| target(&it["TopicArn"]) == topic);
    assert_eq!(target(&subscription.unwrap().1["Endpoint"]), "MailFeedbackQueue");
}

#[test]
fn all_that_happens_to_mail_is_counted() {
    let template = Template::small();
    let counted = destinations(&template).find(|it| !it["CloudWatchDestination"].is_null()).unwrap();
    for happening in ["SEND", "DELIVERY", "BOUNCE", "COMPLAINT"] {
        assert!(texts(&counted["MatchingEventTypes"]).contains(&happening), "{happening}");
    }
}

#[test]
fn feedback_goes_to_the_models_topic_once_it_has_one() {
    let template = Template::of(&everything::app(), &small());
    let told = destinations(&template).find(|it| !it["SnsDestination"].is_null()).unwrap();
    assert!(texts(&told["MatchingEventTypes"]).contains(&"DELIVERY"));
    let topic = template.properties(target(&told["SnsDestination"]["TopicARN"]));
    assert_eq!(topic["TopicName"], "billion-dev-mail-feedback");
    assert!(template.0["Resources"]["MailFeedbackQueue"].is_null(), "a function handles it");
}

#[test]
fn the_identity_is_a_domain_or_an_address() {
    let domain = Template::small();
    assert_eq!(domain.properties("MailIdentity")["EmailIdentity"], "example.com");
    assert_eq!(
        domain.properties("MailIdentity")["MailFromAttributes"]["MailFromDomain"],
        "bounce.example.com"
    );
    assert!(!domain.0["Outputs"]["DkimName3"].is_null());
    let address = Template::of(&APP, &Stage { mail_identity: MailIdentity::Address, ..small() });
    assert_eq!(address.properties("MailIdentity")["EmailIdentity"], "hello@example.com");
    assert!(address.properties("MailIdentity")["MailFromAttributes"].is_null());
    assert!(address.0["Outputs"]["DkimName1"].is_null());
}

/// It is somebody else's: only its name is used.
#[test]
fn an_identity_that_exists_is_not_touched() {
    let stage = Stage { mail_identity: MailIdentity::Existing, ..full() };
    let template = Template::of(&APP, &stage);
    assert_eq!(template.of_type("AWS::SES::EmailIdentity").count(), 0);
    assert_eq!(template.0["Outputs"]["MailIdentity"]["Value"], "example.com");
    assert!(template.0["Outputs"]["DkimName1"].is_null());
    let mut records = template.of_type("AWS::Route53::RecordSet");
    assert!(records.all(|(id, _)| id.starts_with("Site")), "its records are where it was made");
    let roles: Vec<_> = template.of_type("AWS::IAM::Role").map(|(_, role)| role.to_string()).collect();
    assert!(roles.iter().any(|role| role.contains(":identity/example.com")));
    assert!(!roles.iter().any(|role| role.contains("${MailIdentity}")));
}

#[test]
fn records_are_made_where_the_hosted_zone_holds_them() {
    let records = |template: &Template| -> Vec<String> {
        template
            .of_type("AWS::Route53::RecordSet")
            .map(|(_, it)| it["Type"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut all = records(&Template::of(&APP, &full()));
    all.sort_unstable();
    assert_eq!(all, ["A", "AAAA", "CNAME", "CNAME", "CNAME", "MX", "TXT"]);
    assert_eq!(records(&Template::small()), Vec::<String>::new());
    let elsewhere = Stage { mail_from: "Billion <hello@example.org>".to_owned(), ..full() };
    assert_eq!(records(&Template::of(&APP, &elsewhere)), ["A", "AAAA"]);
}
