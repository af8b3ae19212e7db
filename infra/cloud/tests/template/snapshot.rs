//! The committed templates: what a change of the model does to AWS can be read in a diff.

use std::fs;

use infra_cloud::assembly::pretty;
use infra_model::APP;

use crate::{Template, full, here, small};

/// Set it to write the snapshots instead of comparing with them.
const UPDATE: &str = "UPDATE_SNAPSHOTS";

#[test]
fn the_committed_templates_are_current() {
    for (name, stage) in [("small", small()), ("full", full())] {
        let path = here().join(format!("snapshots/{name}.template.json"));
        let current = pretty(&Template::of(&APP, &stage).0);
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&path, &current).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let differs = committed.lines().zip(current.lines()).position(|(was, is)| was != is);
        assert!(
            committed == current,
            "{} is stale from line {} on; {UPDATE}=1 cargo test writes it anew",
            path.display(),
            differs.map_or(committed.lines().count(), |line| line) + 1
        );
    }
}

#[test]
fn the_same_model_makes_the_same_template() {
    assert_eq!(pretty(&Template::small().0), pretty(&Template::small().0));
}
