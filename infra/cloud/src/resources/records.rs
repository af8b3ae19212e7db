//! DNS records, where the stage has a hosted zone that holds them.

use stratosphere::services::aws::route53::{RecordSet, recordset};
use stratosphere::value::{ExpString, get_att};

use super::{DISTRIBUTION, MAIL_IDENTITY, mail};
use crate::Context;
use crate::stack::{Stack, sub, text};
use crate::stage::HostedZone;

/// The hosted zone that all distributions' own names are in.
const CLOUDFRONT_ZONE: &str = "Z2FDTNDATAQYW2";

/// How long resolvers keep what rarely changes, in seconds.
const TTL: &str = "3600";

pub(super) fn add(stack: &mut Stack, context: &Context<'_>) {
    let stage = context.stage;
    let Some(zone) = &stage.hosted_zone else { return };
    if let Some(domain) = stage.domain.as_ref().filter(|domain| zone.holds(&domain.name)) {
        for (id, kind) in [("SiteRecord", "A"), ("SiteRecordV6", "AAAA")] {
            point_to_distribution(stack, id, zone, &domain.name, kind);
        }
    }
    if let (Some(zone), Some(domain)) = (stage.mail_zone(), stage.mail_domain()) {
        prove_mail_domain(stack, zone, domain);
    }
}

fn point_to_distribution(stack: &mut Stack, id: &str, zone: &HostedZone, domain: &str, kind: &str) {
    stack.add(
        id,
        RecordSet! {
            hosted_zone_id: text(&zone.id),
            name: domain,
            r#type: kind,
            alias_target: recordset::AliasTarget! {
                dns_name: get_att(DISTRIBUTION, "DomainName"),
                hosted_zone_id: CLOUDFRONT_ZONE,
                evaluate_target_health: false
            }
        },
    );
}

fn prove_mail_domain(stack: &mut Stack, zone: &HostedZone, domain: &str) {
    for index in 0..3 {
        let [name, value] = mail::dkim_attributes(index).map(|it| get_att(MAIL_IDENTITY, it.as_str()));
        record(stack, &format!("DkimRecord{}", index + 1), zone, name, "CNAME", value);
    }
    let bounces = || text(mail::bounce_domain(domain));
    let receiver = sub("10 feedback-smtp.${AWS::Region}.amazonses.com");
    record(stack, "BounceRecord", zone, bounces(), "MX", receiver);
    record(stack, "BounceSenders", zone, bounces(), "TXT", "\"v=spf1 include:amazonses.com ~all\"".into());
}

fn record(stack: &mut Stack, id: &str, zone: &HostedZone, name: ExpString, kind: &str, value: ExpString) {
    stack.add(
        id,
        RecordSet! {
            hosted_zone_id: text(&zone.id),
            name: name,
            r#type: kind,
            ttl: TTL,
            resource_records: vec![value]
        },
    );
}
