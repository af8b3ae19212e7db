//! The static site: HTML pages rendered once from templates, and the assets that they load.
//!
//! There is no build. What lies in this package's folders is what a browser gets:
//!
//! | folder | served as | cached |
//! |---|---|---|
//! | `pages/sign-in.html` | `/sign-in`, within a shell of `shells/` | revalidated each time |
//! | `styles/`, `scripts/` | `/assets/<hash>/styles/…` and so on | for ever |
//! | `public/` | `/`, under its own name | revalidated each time |
//!
//! The hash covers every asset, so that modules can import one another by relative paths and no
//! browser ever mixes two versions.
//!
//! Templates see `name` (of the app), `console` (whether there is a developer console), `assets`
//! (the folder's path), `path` (of the page) and `imports(script)` (the modules that a script
//! loads, so that the page can have them fetched at once).

mod assets;
mod imports;
mod sources;

use std::path::PathBuf;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value, context};

pub use sources::{Source, sources};

const REVALIDATED: &str = "no-cache";
const KEPT_FOR_EVER: &str = "public, max-age=31536000, immutable";
const HTML: &str = "text/html; charset=utf-8";

/// Renders every page within its shell, and gathers the assets.
///
/// # Errors
///
/// A file that cannot be read, or a template that is wrong; both say where.
pub fn render(options: &Options) -> Result<Site, Error> {
    let assets = assets::gather()?;
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    templates.set_syntax(syntax()?);
    templates.add_global("name", options.name.clone());
    templates.add_global("console", options.console);
    templates.add_global("assets", Value::from_safe_string(assets.folder.clone()));
    let scripts = assets.scripts;
    templates.add_function("imports", move |script: String| scripts.reached_from(&script));

    for shell in sources::read_folder("shells")? {
        let source = shell.text()?;
        templates.add_template_owned(shell.name, source).map_err(Error::template)?;
    }

    let mut site = Site { files: assets.files, assets: assets.folder, templates };
    for page in sources::read_folder("pages")? {
        let path = served_at(&page.name);
        let file = format!("pages/{}", page.name);
        let html = site.render_source(&file, &page.text()?, context! { path => path.as_str() })?;
        site.files.push(File {
            path,
            content_type: HTML,
            cache_control: REVALIDATED,
            body: html.into_bytes(),
        });
    }
    for file in sources::read_folder("public")? {
        site.files.push(File {
            path: format!("/{}", file.name),
            content_type: assets::content_type(&file.path)?,
            cache_control: REVALIDATED,
            body: file.body,
        });
    }
    Ok(site)
}

/// Renders a page that lies elsewhere (the console's) within the site's shells: its template may
/// say `{% extends "console.html" %}` and sees what the site's own pages see, and `context` besides.
/// A shell needs `path` there: the page's own path, such as `/_local`.
///
/// # Errors
///
/// A template that is wrong; it says in which line.
pub fn render_page(site: &Site, template_source: &str, context: impl Into<Value>) -> Result<String, Error> {
    site.render_source("page.html", template_source, context)
}

/// What differs between the laptop and the CDN.
#[derive(Debug, Clone)]
pub struct Options {
    /// The app's name, as people read it.
    pub name: String,
    /// Whether there is a developer console under `/_local` to link to.
    pub console: bool,
}

/// The whole site, in memory.
#[derive(Debug, Clone)]
pub struct Site {
    /// All that can be asked for.
    pub files: Vec<File>,
    /// The path of the assets' folder, such as `/assets/0f1e2d3c4b5a`.
    pub assets: String,
    templates: Environment<'static>,
}

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path that it is served at, such as `/sign-in` or `/favicon.svg`.
    pub path: String,
    /// For the header `content-type`.
    pub content_type: &'static str,
    /// For the header `cache-control`.
    pub cache_control: &'static str,
    /// Its bytes, not compressed.
    pub body: Vec<u8>,
}

impl Site {
    /// The file served at exactly this path (no query).
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The page for a path that is nothing, to be served with status 404.
    ///
    /// # Panics
    ///
    /// If `pages/404.html` was removed.
    #[must_use]
    pub fn not_found(&self) -> &File {
        self.get("/404").expect("pages/404.html is part of the site")
    }

    fn render_source(&self, name: &str, source: &str, context: impl Into<Value>) -> Result<String, Error> {
        self.templates.render_named_str(name, source, context).map_err(Error::template)
    }
}

/// Why the site cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A template or a script that is not UTF-8.
    #[error("{} is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// A file whose name does not end in a known way, so that it has no content type.
    #[error("{}: no content type is known for this kind of file", .0.display())]
    UnknownKind(PathBuf),
    /// A template that is wrong, with its name and line.
    #[error("{0}")]
    Template(#[source] Box<minijinja::Error>),
}

impl Error {
    fn template(error: minijinja::Error) -> Self {
        Self::Template(Box::new(error))
    }
}

/// A line with nothing but a tag leaves no line in the page.
fn syntax() -> Result<SyntaxConfig, Error> {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .map_err(Error::template)
}

/// `sign-in.html` → `/sign-in`.
fn served_at(page: &str) -> String {
    match page.strip_suffix(".html").unwrap_or(page) {
        "index" => "/".into(),
        name => format!("/{name}"),
    }
}
