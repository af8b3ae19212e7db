use infra_cloud::cost::{self, ASSUMPTIONS, Estimate, Usage};

use super::failure::{Failure, Result};
use super::synth;
use super::target::Target;
use super::terminal::{self, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Also for so many people a month
    #[arg(long, value_name = "NUMBER")]
    people: Option<u32>,
}

pub(crate) fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    let stage = target.stage_to_look_at()?;
    let template = synth::template(&stage)?;
    let estimate = |usage| cost::estimate(&template, usage).map_err(|error| Failure::new(error.to_string()));
    say!("Stage {}, when nobody uses it: by the month\n", stage.name);
    ghost_town(&estimate(Usage::GHOST_TOWN)?);

    let asked = arguments.people.map(|people| Usage { people: f64::from(people) });
    let usages = [Usage::GHOST_TOWN, Usage::THOUSAND, Usage::MILLION].into_iter().chain(asked);
    let columns: Vec<_> = usages.map(|usage| Ok((usage, estimate(usage)?))).collect::<Result<_>>()?;
    say!("\nBy the number of people who use it in a month:\n");
    by_people(&columns);
    say!("\nThis is assumed:\n");
    for assumption in ASSUMPTIONS {
        say!("  - {assumption}");
    }
    Ok(())
}

/// Everything that is counted though nobody is there, and why.
fn ghost_town(estimate: &Estimate) {
    let rows: Vec<_> = estimate
        .lines
        .iter()
        .map(|line| {
            let free = Some(line.meter.price().free).filter(|free| *free > 0.0);
            vec![
                line.meter.name().to_owned(),
                counted(line.quantity, line.meter.price().unit),
                free.map_or("-".to_owned(), whole),
                dollars(line.usd),
                line.why().to_owned(),
            ]
        })
        .collect();
    terminal::table(&["what is counted", "quantity", "free", "a month", "why it is counted"], &rows);
    say!(
        "\n  {} a month in all; everything else costs nothing until it is used.",
        dollars(estimate.total_usd)
    );
}

fn by_people(columns: &[(Usage, Estimate)]) {
    let mut meters: Vec<_> =
        columns.iter().flat_map(|(_, estimate)| estimate.lines.iter().map(|line| line.meter)).collect();
    meters.sort_unstable();
    meters.dedup();
    let mut rows: Vec<Vec<String>> = meters
        .into_iter()
        .map(|meter| {
            let cost = |estimate: &Estimate| {
                let line = estimate.lines.iter().find(|line| line.meter == meter);
                line.map_or("-".to_owned(), |line| dollars(line.usd))
            };
            let costs = columns.iter().map(|(_, estimate)| cost(estimate));
            std::iter::once(meter.name().to_owned()).chain(costs).collect()
        })
        .collect();
    let totals = columns.iter().map(|(_, estimate)| dollars(estimate.total_usd));
    rows.push(std::iter::once("In all".to_owned()).chain(totals).collect());
    let heads: Vec<_> = columns.iter().map(|(usage, _)| whole(usage.people)).collect();
    let heads: Vec<_> = std::iter::once("").chain(heads.iter().map(String::as_str)).collect();
    terminal::table(&heads, &rows);
}

fn dollars(amount: f64) -> String {
    match amount {
        0.0 => "$0".to_owned(),
        small if small < 0.005 => "<$0.01".to_owned(),
        other => {
            let text = format!("{other:.2}");
            let (dollars, cents) = text.split_once('.').unwrap_or((&text, "00"));
            format!("${}.{cents}", grouped(dollars))
        }
    }
}

fn whole(number: f64) -> String {
    if number > 0.0 && number < 0.5 { "<1".to_owned() } else { grouped(&format!("{number:.0}")) }
}

/// `1 alarm`, `2 alarms`.
fn counted(number: f64, unit: &str) -> String {
    let number = whole(number);
    let unit = if number == "1" { unit.strip_suffix('s').unwrap_or(unit) } else { unit };
    format!("{number} {unit}")
}

/// `1234567` as `1,234,567`.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_people_read_it() {
        assert_eq!(dollars(0.0), "$0");
        assert_eq!(dollars(0.001), "<$0.01");
        assert_eq!(dollars(0.5), "$0.50");
        assert_eq!(dollars(1_234_567.891), "$1,234,567.89");
        assert_eq!(whole(999.0), "999");
        assert_eq!(whole(1_000.0), "1,000");
        assert_eq!(counted(1.0, "alarms"), "1 alarm");
        assert_eq!(counted(0.2, "GB"), "<1 GB");
        assert_eq!(counted(2_592_000.0, "calls"), "2,592,000 calls");
    }
}
