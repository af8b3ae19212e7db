//! The cloud assembly: what the stock CDK CLI reads, so that its `diff`, `deploy`, `rollback` and `destroy` do the work.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use infra_model::App;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{Context, Stage, names, pages, synthesise};

/// The schema of what is written here. The CLI reads all up to its own.
const SCHEMA: &str = "36.0.0";

/// The version of the bootstrap stack that has all roles named below.
const BOOTSTRAP_VERSION: u32 = 6;

/// Where the bootstrap stack says which version it is.
const BOOTSTRAP_PARAMETER: &str = "/cdk-bootstrap/hnb659fds/version";

/// The functions' zips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifacts(Vec<Asset>);

/// One function's zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The function.
    pub function: String,
    /// The SHA-256 of the zip, as hexadecimal digits.
    pub hash: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// A written assembly.
#[derive(Debug, Clone)]
pub struct Assembly {
    /// Where it lies; the CLI takes it by `--app`.
    pub folder: PathBuf,
    /// The one stack in it.
    pub stack_name: String,
    /// The stack's template.
    pub template: Value,
    /// The functions' zips.
    pub assets: Vec<Asset>,
}

/// Why there is no assembly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A function has not been built.
    #[error("there is no zip of the function \"{function}\" at {}", path.display())]
    NotBuilt {
        /// Which.
        function: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The site, whose pages the distribution knows, cannot be rendered.
    #[error("the site cannot be rendered: {0}")]
    Site(#[from] frontend::Error),
    /// The stage cannot be deployed.
    #[error(transparent)]
    Stage(#[from] crate::stage::Error),
}

impl Artifacts {
    /// The zips `<function>.zip` in a folder, one for each function of the app.
    ///
    /// # Errors
    /// If one is missing or cannot be read.
    pub fn in_folder(app: &App, folder: &Path) -> Result<Self, Error> {
        let asset = |name: &str| {
            let path = folder.join(format!("{name}.zip"));
            let contents = fs::read(&path).map_err(|source| {
                if source.kind() == io::ErrorKind::NotFound {
                    Error::NotBuilt { function: name.to_owned(), path: path.clone() }
                } else {
                    Error::File { path: path.clone(), source }
                }
            })?;
            let path =
                std::path::absolute(&path).map_err(|source| Error::File { path: path.clone(), source })?;
            Ok(Asset { function: name.to_owned(), hash: hash(&contents), path })
        };
        app.functions.iter().map(|function| asset(function.name)).collect::<Result<_, _>>().map(Self)
    }

    /// The zip of a function.
    #[must_use]
    pub fn of(&self, function: &str) -> Option<&Asset> {
        self.0.iter().find(|asset| asset.function == function)
    }
}

/// Synthesises the app into a folder, which is made if it is missing. The zips stay where they are.
///
/// # Errors
/// If the stage cannot be deployed, the site cannot be rendered, or a file cannot be written.
pub fn write_assembly(
    app: &App,
    stage: &Stage,
    artifacts: &Artifacts,
    out: &Path,
) -> Result<Assembly, Error> {
    stage.check()?;
    let stack = names::stack(app, &stage.name);
    let key = |function: &str| artifacts.of(function).map_or_else(String::new, object_key);
    let pages = pages(app)?;
    let template = synthesise(Context { app, stage, pages: &pages, code: &key });
    let template_text = pretty(&template);
    let template_hash = hash(template_text.as_bytes());

    fs::create_dir_all(out).map_err(|source| Error::File { path: out.to_owned(), source })?;
    let write = |name: &str, text: &str| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|source| Error::File { path, source })
    };
    write(&template_file(&stack), &template_text)?;
    write(&assets_file(&stack), &pretty(&assets(stage, artifacts, &stack, &template_hash)))?;
    write("manifest.json", &pretty(&manifest(app, stage, &stack, &template_hash)))?;
    write("cdk.out", &pretty(&json!({ "version": SCHEMA })))?;
    Ok(Assembly { folder: out.to_owned(), stack_name: stack, template, assets: artifacts.0.clone() })
}

fn template_file(stack: &str) -> String {
    format!("{stack}.template.json")
}

fn assets_file(stack: &str) -> String {
    format!("{stack}.assets.json")
}

fn object_key(asset: &Asset) -> String {
    format!("{}.zip", asset.hash)
}

fn manifest(app: &App, stage: &Stage, stack: &str, template_hash: &str) -> Value {
    let assets = format!("{stack}.assets");
    let account = stage.account.as_deref().unwrap_or("unknown-account");
    let region = &stage.region;
    json!({
        "version": SCHEMA,
        "artifacts": {
            &assets: {
                "type": "cdk:asset-manifest",
                "properties": {
                    "file": assets_file(stack),
                    "requiresBootstrapStackVersion": BOOTSTRAP_VERSION,
                    "bootstrapStackVersionSsmParameter": BOOTSTRAP_PARAMETER,
                },
            },
            stack: {
                "type": "aws:cloudformation:stack",
                "environment": format!("aws://{account}/{region}"),
                "displayName": stack,
                "dependencies": [assets],
                "properties": {
                    "templateFile": template_file(stack),
                    "stackName": stack,
                    "tags": { "app": app.name, "stage": stage.name },
                    "validateOnSynth": false,
                    "assumeRoleArn": role("deploy", region),
                    "cloudFormationExecutionRoleArn": role("cfn-exec", region),
                    "stackTemplateAssetObjectUrl": format!("s3://{}/{template_hash}.json", names::assets_bucket(region)),
                    "requiresBootstrapStackVersion": BOOTSTRAP_VERSION,
                    "bootstrapStackVersionSsmParameter": BOOTSTRAP_PARAMETER,
                    "additionalDependencies": [assets],
                    "lookupRole": {
                        "arn": role("lookup", region),
                        "requiresBootstrapStackVersion": 8,
                        "bootstrapStackVersionSsmParameter": BOOTSTRAP_PARAMETER,
                    },
                },
            },
        },
    })
}

fn assets(stage: &Stage, artifacts: &Artifacts, stack: &str, template_hash: &str) -> Value {
    let account = stage.account.as_deref().unwrap_or("current_account");
    let destination = |key: String| {
        json!({ format!("{account}-{}", stage.region): {
            "bucketName": names::assets_bucket(&stage.region),
            "objectKey": key,
            "region": stage.region,
            "assumeRoleArn": role("file-publishing", &stage.region),
        }})
    };
    let mut files = Map::new();
    for asset in &artifacts.0 {
        let file = json!({
            "displayName": format!("the function {}", asset.function),
            "source": { "path": asset.path, "packaging": "file" },
            "destinations": destination(object_key(asset)),
        });
        files.insert(asset.hash.clone(), file);
    }
    let template = json!({
        "displayName": "the template",
        "source": { "path": template_file(stack), "packaging": "file" },
        "destinations": destination(format!("{template_hash}.json")),
    });
    files.insert(template_hash.to_owned(), template);
    json!({ "version": SCHEMA, "files": files, "dockerImages": {} })
}

/// A role of the bootstrap stack.
fn role(purpose: &str, region: &str) -> String {
    format!(
        "arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/cdk-hnb659fds-{purpose}-role-${{AWS::AccountId}}-{region}"
    )
}

fn hash(contents: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(contents).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Indented, with a line break at the end. Keys are in the alphabet's order, so that equal templates are equal texts.
#[must_use]
pub fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("keys are text");
    text.push('\n');
    text
}
