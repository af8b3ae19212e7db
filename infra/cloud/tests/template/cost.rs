use std::collections::BTreeSet;

use infra_cloud::cost::{ASSUMPTIONS, Charge, Meter, Usage, estimate, prices};
use infra_model::APP;
use serde_json::json;

use crate::{Template, small};

#[test]
fn every_resource_has_a_price_or_a_reason_to_have_none() {
    for template in Template::all() {
        let priced = prices(&template.0, Usage::MILLION).unwrap();
        assert_eq!(priced.len(), template.0["Resources"].as_object().unwrap().len());
        for priced in priced {
            match priced.charge {
                Charge::Free(reason) => assert!(reason.len() >= "a setting".len(), "{}", priced.id),
                Charge::Metered(meters) => assert!(!meters.is_empty(), "{}", priced.id),
            }
        }
    }
    assert!(!ASSUMPTIONS.is_empty());
}

#[test]
fn a_resource_without_a_price_is_named() {
    let mut template = Template::small().0;
    template["Resources"]["Fleet"] = json!({ "Type": "AWS::EC2::Fleet", "Properties": {} });
    let unpriced = estimate(&template, Usage::GHOST_TOWN).unwrap_err();
    assert!(unpriced.to_string().contains("Fleet") && unpriced.to_string().contains("AWS::EC2::Fleet"));
}

#[test]
fn a_ghost_town_pays_for_known_exceptions_only() {
    for template in Template::all() {
        let estimate = estimate(&template.0, Usage::GHOST_TOWN).unwrap();
        let known = [Meter::AlarmMetrics, Meter::Dashboards, Meter::LargeDashboards, Meter::QueueRequests];
        let clock =
            [Meter::ScheduleRuns, Meter::Invocations, Meter::ArmGbSeconds, Meter::LogGb, Meter::Traces];
        for line in &estimate.lines {
            assert!(known.contains(&line.meter) || clock.contains(&line.meter), "{line}");
            assert!(!clock.contains(&line.meter) || line.usd < 0.01, "{line}");
            assert!(!line.resources.is_empty() && line.why().len() > 10);
        }
        assert!(estimate.total_usd < 8.0, "{}", estimate.total_usd);
    }
}

#[test]
fn more_people_cost_more_and_each_line_adds_up() {
    let template = Template::of(&APP, &small()).0;
    let [nobody, some, many] =
        [Usage::GHOST_TOWN, Usage::THOUSAND, Usage::MILLION].map(|usage| estimate(&template, usage).unwrap());
    assert!(nobody.total_usd < some.total_usd && some.total_usd < many.total_usd);
    for estimate in [&nobody, &some, &many] {
        let sum: f64 = estimate.lines.iter().map(|line| line.usd).sum();
        assert!((sum - estimate.total_usd).abs() < 1e-9);
        for line in &estimate.lines {
            let price = line.meter.price();
            assert!((line.list_usd - line.quantity * price.usd).abs() < 1e-9);
            assert!(line.usd <= line.list_usd, "{line}");
        }
    }
    let seen: BTreeSet<_> = many.lines.iter().map(|line| line.meter).collect();
    for meter in [Meter::ApiRequests, Meter::WriteUnits, Meter::Mails, Meter::LogGb, Meter::ArmGbSeconds] {
        assert!(seen.contains(&meter), "{meter:?}");
    }
}
