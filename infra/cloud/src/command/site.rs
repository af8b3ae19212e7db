//! The pages and their assets, in the bucket that the CDN reads.
//!
//! Assets lie in a folder named by their hash and are kept for ever by browsers; they go first, so that no page names
//! one that is not there. Pages are revalidated, by the CDN too, so nothing needs to be invalidated.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use infra_cloud::names;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, Result};
use super::target::MODEL;

/// The most keys that one request of S3 removes.
const REMOVED_AT_ONCE: usize = 1_000;

/// What the keys of all assets start with.
const ASSETS: &str = "assets/";

/// The page that is shown in place of one that is not there, and its status.
const NOT_FOUND: &str = "404";

/// A site, rendered.
pub(crate) struct Site {
    /// What does not change under its name.
    assets: Vec<File>,
    /// The rest.
    pub(crate) pages: Vec<File>,
    /// The folder of the assets, such as `assets/0f1e2d3c4b5a/`.
    pub(crate) assets_folder: String,
}

impl Site {
    pub(crate) fn asset_keys(&self) -> BTreeSet<String> {
        self.assets.iter().map(|asset| asset.key.clone()).collect()
    }
}

/// One object of the bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct File {
    key: String,
    content_type: String,
    cache_control: String,
    /// In base64 where it is kept.
    #[serde(with = "base64_text")]
    body: Vec<u8>,
}

/// Renders the site as it is in this folder.
pub(crate) fn render() -> Result<Site> {
    let options = frontend::Options { name: names::display(MODEL), console: false };
    let site = frontend::render(&options)
        .map_err(|error| Failure::new(format!("the site cannot be rendered: {error}")))?;
    let assets_folder = format!("{}/", site.assets.trim_start_matches('/'));
    let files = site.files.into_iter().map(|file| File {
        key: key(&file.path),
        content_type: file.content_type.to_owned(),
        cache_control: file.cache_control.to_owned(),
        body: file.body,
    });
    let (assets, pages) = files.partition(|file: &File| file.key.starts_with(&assets_folder));
    Ok(Site { assets, pages, assets_folder })
}

/// The object that CloudFront asks for at this path.
fn key(path: &str) -> String {
    match path.trim_start_matches('/') {
        "" => "index.html".to_owned(),
        key => key.to_owned(),
    }
}

/// How much was uploaded.
pub(crate) struct Uploaded {
    pub(crate) assets: usize,
    pub(crate) pages: usize,
}

/// Brings the bucket to this site. Assets that are there are not sent again.
pub(crate) async fn upload(s3: &Client, bucket: &str, site: &Site) -> Result<Uploaded> {
    let there = keys(s3, bucket, &site.assets_folder).await?;
    let new: Vec<_> = site.assets.iter().filter(|file| !there.contains(&file.key)).collect();
    for file in &new {
        put(s3, bucket, file).await?;
    }
    put_pages(s3, bucket, &site.pages).await?;
    Ok(Uploaded { assets: new.len(), pages: site.pages.len() })
}

/// Whether all of these objects are there.
pub(crate) async fn has(s3: &Client, bucket: &str, wanted: &BTreeSet<String>) -> Result<bool> {
    Ok(wanted.is_subset(&keys(s3, bucket, ASSETS).await?))
}

/// Puts these pages in place of those that are there.
pub(crate) async fn put_pages(s3: &Client, bucket: &str, pages: &[File]) -> Result<()> {
    for page in pages {
        put(s3, bucket, page).await?;
    }
    Ok(())
}

/// Removes pages that are no more, and the assets of sites that nobody can go back to.
pub(crate) async fn clean(s3: &Client, bucket: &str, pages: &[File], kept: &BTreeSet<String>) -> Result<()> {
    let pages: BTreeSet<_> = pages.iter().map(|page| page.key.as_str()).collect();
    let mut old = keys(s3, bucket, "").await?;
    old.retain(|key| {
        let is_kept = pages.contains(key.as_str()) || kept.iter().any(|folder| key.starts_with(folder));
        !is_kept
    });
    remove(s3, bucket, old).await
}

/// Removes everything.
pub(crate) async fn empty(s3: &Client, bucket: &str) -> Result<()> {
    let all = keys(s3, bucket, "").await?;
    remove(s3, bucket, all).await
}

async fn put(s3: &Client, bucket: &str, file: &File) -> Result<()> {
    // What the CDN makes the answer's status of, see infra/cloud/src/edge.
    let status = (file.key == NOT_FOUND).then_some(("status".to_owned(), NOT_FOUND.to_owned()));
    s3.put_object()
        .bucket(bucket)
        .key(&file.key)
        .set_metadata(status.map(|status| HashMap::from([status])))
        .content_type(&file.content_type)
        .cache_control(&file.cache_control)
        .body(ByteStream::from(file.body.clone()))
        .send()
        .await
        .map_err(|error| Failure::aws(&format!("uploading {}", file.key), &error))?;
    Ok(())
}

/// The keys that start with this.
pub(crate) async fn keys(s3: &Client, bucket: &str, prefix: &str) -> Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    let mut pages = s3.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Failure::aws(&format!("listing the bucket {bucket}"), &error))?;
        keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
    }
    Ok(keys)
}

/// Removes these objects.
pub(crate) async fn remove(s3: &Client, bucket: &str, keys: BTreeSet<String>) -> Result<()> {
    let keys: Vec<_> = keys.into_iter().collect();
    for some in keys.chunks(REMOVED_AT_ONCE) {
        let failed = |error: String| Failure::new(format!("removing objects failed: {error}"));
        let objects = some.iter().map(|key| ObjectIdentifier::builder().key(key).build());
        let objects =
            objects.collect::<std::result::Result<_, _>>().map_err(|error| failed(error.to_string()))?;
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.map_err(|error| failed(error.to_string()))?;
        let removed = s3.delete_objects().bucket(bucket).delete(delete).send().await;
        let removed = removed.map_err(|error| Failure::aws("removing objects", &error))?;
        if let Some(error) = removed.errors().first() {
            return Err(failed(error.message().unwrap_or("S3 gave no reason").to_owned()));
        }
    }
    Ok(())
}

mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_its_key_and_its_headers() {
        let site = render().unwrap();
        let page = site.pages.iter().find(|page| page.key == "sign-in").unwrap();
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert_eq!(page.cache_control, "no-cache");
        assert!(site.pages.iter().any(|page| page.key == "index.html"));
        assert!(site.pages.iter().all(|page| !page.key.starts_with('/') && !page.key.starts_with("assets/")));
        assert!(!site.assets.is_empty());
        for asset in &site.assets {
            assert!(asset.key.starts_with(&site.assets_folder), "{}", asset.key);
            assert!(asset.key.starts_with(ASSETS), "{}", asset.key);
            assert_eq!(asset.cache_control, "public, max-age=31536000, immutable");
        }
        assert!(!String::from_utf8_lossy(&page.body).contains("/_local"));
    }
}
