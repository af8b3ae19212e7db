//! What must hold of the template, whatever the model says.

mod api;
mod assembly;
mod change;
mod cost;
mod events;
mod everything;
mod limits;
mod mail;
mod roles;
mod site;
mod snapshot;
mod table;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use infra_cloud::{Stage, pages, template};
use infra_model::{APP, App};
use serde_json::Value;

/// A stage with nothing but defaults.
fn small() -> Stage {
    Stage::new("dev", "Billion <hello@example.com>")
}

/// A stage with every setting.
fn full() -> Stage {
    Stage::read(&here().join("../../stages/example.toml")).unwrap()
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template")
}

/// A template to look at.
struct Template(Value);

impl Template {
    fn of(app: &App, stage: &Stage) -> Self {
        static PAGES: OnceLock<Vec<String>> = OnceLock::new();
        Self(template(app, stage, PAGES.get_or_init(|| pages(app).unwrap())))
    }

    /// The app as it is, in every stage that differs.
    fn all() -> Vec<Self> {
        let bare = Stage { keep_data: false, reserve_concurrency: false, ..small() };
        let app = everything::app();
        vec![
            Self::of(&APP, &small()),
            Self::of(&APP, &full()),
            Self::of(&APP, &bare),
            Self::of(&app, &full()),
        ]
    }

    fn small() -> Self {
        Self::of(&APP, &small())
    }

    fn resource(&self, id: &str) -> &Value {
        let resource = &self.0["Resources"][id];
        assert!(!resource.is_null(), "there is no {id}");
        resource
    }

    fn properties(&self, id: &str) -> &Value {
        &self.resource(id)["Properties"]
    }

    /// The resources of a type: id and properties.
    fn of_type(&self, resource_type: &'static str) -> impl Iterator<Item = (&str, &Value)> {
        let resources = self.0["Resources"].as_object().unwrap().iter();
        resources
            .filter(move |(_, resource)| resource["Type"] == resource_type)
            .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
    }

    /// The one resource of a type whose property has this value.
    fn find(&self, resource_type: &'static str, property: &str, value: &str) -> (&str, &Value) {
        let mut found = self.of_type(resource_type).filter(|(_, properties)| properties[property] == value);
        let one = found.next().unwrap_or_else(|| panic!("no {resource_type} has {property} {value}"));
        assert!(found.next().is_none(), "two {resource_type} have {property} {value}");
        one
    }
}

/// The id that `{"Fn::GetAtt": [id, attribute]}` or `{"Ref": id}` refers to.
fn target(reference: &Value) -> &str {
    let id = reference["Ref"].as_str().or_else(|| reference["Fn::GetAtt"][0].as_str());
    id.unwrap_or_else(|| panic!("{reference} refers to nothing"))
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
}
