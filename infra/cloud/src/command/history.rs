//! What was deployed, so that one can go back to it: kept beside the assets in the bucket of `cdk bootstrap`.
//!
//! A deployment is kept as the assembly without its zips, which the bucket has under their hashes, and the pages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, Result};
use super::site::{self, File, Site};
use super::target::Place;
use super::workspace;

/// How many deployments one can go back to.
const KEPT: usize = 20;

/// One deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Deployment {
    /// When it was made, as `20261123T083649Z`: sorts by time.
    pub(crate) id: String,
    /// The deployment that it went back to, or itself.
    pub(crate) origin: String,
    /// The commit it was made of, if that is known.
    pub(crate) commit: Option<String>,
    /// The assembly's text files by name.
    assembly: BTreeMap<String, String>,
    pub(crate) pages: Vec<File>,
    pub(crate) assets_folder: String,
    /// The keys of its assets. They may not be there: the deployment is written down before they are uploaded.
    #[serde(default)]
    pub(crate) assets: BTreeSet<String>,
}

impl Deployment {
    /// What is deployed now, out of this assembly.
    pub(crate) fn new(assembly: &Path, site: &Site) -> Result<Self> {
        let unreadable = |error: std::io::Error| Failure::io("reading the assembly", &error);
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(assembly).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.insert(name, fs::read_to_string(&path).map_err(unreadable)?);
            }
        }
        let id = now();
        Ok(Self {
            origin: id.clone(),
            id,
            commit: commit(),
            assembly: files,
            pages: site.pages.clone(),
            assets_folder: site.assets_folder.clone(),
            assets: site.asset_keys(),
        })
    }

    /// The same again, later.
    pub(crate) fn again(self) -> Self {
        Self { id: now(), ..self }
    }

    /// The template, as it is in the assembly.
    pub(crate) fn template(&self) -> serde_json::Value {
        let text =
            self.assembly.iter().find(|(name, _)| name.ends_with(".template.json")).map(|(_, text)| text);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Writes the assembly, for the CLI to deploy. The zips are in the bucket already.
    pub(crate) fn write_assembly(&self, folder: &Path) -> Result<()> {
        let unwritable = |error: std::io::Error| Failure::io("writing the assembly", &error);
        fs::create_dir_all(folder).map_err(unwritable)?;
        for (name, text) in &self.assembly {
            fs::write(folder.join(name), text).map_err(unwritable)?;
        }
        Ok(())
    }
}

/// The deployments of a stage.
pub(crate) struct History<'a> {
    s3: aws_sdk_s3::Client,
    bucket: &'a str,
    prefix: String,
}

impl<'a> History<'a> {
    pub(crate) fn of(place: &Place, bucket: &'a str) -> Self {
        Self { s3: place.aws.s3(), bucket, prefix: format!("{}/deployments/", place.stack_name()) }
    }

    /// All that are kept, the oldest first.
    pub(crate) async fn all(&self) -> Result<Vec<Deployment>> {
        let mut all = Vec::new();
        for key in site::keys(&self.s3, self.bucket, &self.prefix).await? {
            all.push(self.read(&key).await?);
        }
        Ok(all)
    }

    /// Keeps this one, forgets those that are too old, and returns those that are left.
    pub(crate) async fn add(&self, deployment: &Deployment) -> Result<Vec<Deployment>> {
        let text = serde_json::to_vec(deployment)
            .map_err(|error| Failure::new(format!("the deployment cannot be written down: {error}")))?;
        let key = format!("{}{}.json", self.prefix, deployment.id);
        let put = self.s3.put_object().bucket(self.bucket).key(key).body(ByteStream::from(text));
        put.send().await.map_err(|error| Failure::aws("writing down what was deployed", &error))?;
        let keys = site::keys(&self.s3, self.bucket, &self.prefix).await?;
        let old: BTreeSet<_> = keys.iter().take(keys.len().saturating_sub(KEPT)).cloned().collect();
        site::remove(&self.s3, self.bucket, old).await?;
        self.all().await
    }

    pub(crate) async fn forget(&self) -> Result<()> {
        let keys = site::keys(&self.s3, self.bucket, &self.prefix).await?;
        site::remove(&self.s3, self.bucket, keys).await
    }

    async fn read(&self, key: &str) -> Result<Deployment> {
        let failed = |reason: String| Failure::new(format!("reading {key} failed: {reason}"));
        let found = self.s3.get_object().bucket(self.bucket).key(key).send().await;
        let found = found.map_err(|error| Failure::aws(&format!("reading {key}"), &error))?;
        let body = found.body.collect().await.map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&body.into_bytes()).map_err(|error| failed(error.to_string()))
    }
}

/// The one to go back to: the newest that was no going back itself and came before what is deployed now.
pub(crate) fn before_the_last(all: &[Deployment]) -> Option<&Deployment> {
    let now = &all.last()?.origin;
    all.iter().rev().find(|deployment| deployment.id == deployment.origin && deployment.id < *now)
}

fn now() -> String {
    Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ").to_string()
}

/// The commit that this folder is at, and whether it was changed since.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(workspace::root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    Some(if changed { format!("{commit}, changed") } else { commit })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(id: &str, origin: &str) -> Deployment {
        Deployment {
            id: id.to_owned(),
            origin: origin.to_owned(),
            commit: None,
            assembly: BTreeMap::new(),
            pages: Vec::new(),
            assets_folder: String::new(),
            assets: BTreeSet::new(),
        }
    }

    #[test]
    fn going_back_twice_goes_back_two_steps() {
        let mut all = vec![deployment("1", "1"), deployment("2", "2"), deployment("3", "3")];
        assert_eq!(before_the_last(&all).unwrap().id, "2");
        all.push(deployment("4", "2"));
        assert_eq!(before_the_last(&all).unwrap().id, "1");
        all.push(deployment("5", "1"));
        assert!(before_the_last(&all).is_none());
        all.push(deployment("6", "6"));
        assert_eq!(before_the_last(&all).unwrap().id, "3");
        assert!(before_the_last(&[]).is_none());
    }

    #[test]
    fn ids_sort_by_time() {
        let id = now();
        assert!(id.starts_with("20") && id.ends_with('Z') && id.len() == 19, "{id}");
    }
}
