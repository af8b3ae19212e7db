//! What holds for every page, whatever it says.

use std::collections::BTreeSet;

use frontend::{File, Options, Site, render, render_page};

const VOID: [&str; 6] = ["br", "hr", "img", "input", "link", "meta"];

#[test]
fn every_local_link_and_asset_exists() {
    for site in both() {
        for page in pages(&site) {
            for element in elements(page) {
                for name in ["href", "src"] {
                    let Some(target) = element.attribute(name) else { continue };
                    assert_leads_somewhere(&site, page, target);
                }
            }
        }
    }
}

#[test]
fn every_imported_module_exists() {
    let site = site(false);
    let folder = format!("{}/scripts", site.assets);
    for script in site.files.iter().filter(|file| file.path.starts_with(&folder)) {
        for import in text(script).split("from \"./").skip(1) {
            let module = import.split('"').next().unwrap_or_default();
            let path = format!("{folder}/{module}");
            assert!(site.get(&path).is_some(), "{} imports {module}", script.path);
        }
    }
}

/// F1: the content security policy allows none of it.
#[test]
fn no_page_has_an_inline_script_style_or_handler() {
    for site in both() {
        for page in pages(&site) {
            for element in elements(page) {
                let at = format!("<{}> in {}", element.name, page.path);
                assert_ne!(element.name, "style", "{at}");
                assert!(element.name != "script" || element.attribute("src").is_some(), "{at}");
                for (name, value) in &element.attributes {
                    assert!(*name != "style" && !name.starts_with("on"), "{name} of {at}");
                    assert!(!value.trim_start().starts_with("javascript:"), "{at}");
                }
            }
        }
    }
}

#[test]
fn every_page_says_what_it_is() {
    let site = site(true);
    let mut titles = BTreeSet::new();
    for page in pages(&site) {
        let elements = elements(page);
        let of = |name: &str| elements.iter().find(|element| element.name == name);
        let meta = |name: &str| {
            elements
                .iter()
                .find(|element| element.name == "meta" && element.attribute("name") == Some(name))
                .and_then(|element| element.attribute("content"))
        };
        let seen_first = elements.iter().filter(|element| element.name == "h1" && !element.hidden);

        assert_eq!(of("html").and_then(|html| html.attribute("lang")), Some("en"), "{}", page.path);
        assert_eq!(meta("viewport"), Some("width=device-width, initial-scale=1"), "{}", page.path);
        assert!(meta("description").is_some_and(|text| text.len() > 20), "{}", page.path);
        assert!(seen_first.count() <= 1, "{} shows two headings", page.path);
        assert!(of("h1").is_some(), "{} has no heading", page.path);
        assert!(of("main").is_some_and(|main| main.attribute("id") == Some("main")), "{}", page.path);
        let title = text(page).split("<title>").nth(1).and_then(|rest| rest.split('<').next());
        let title = title.unwrap_or_default();
        assert!(title.ends_with(" · Billion"), "{}: {title}", page.path);
        assert!(titles.insert(title.to_owned()), "{title} is the title of two pages");
    }
}

#[test]
fn ids_are_unique_and_what_refers_to_them_finds_them() {
    for page in pages(&site(true)) {
        let elements = elements(page);
        let mut ids = BTreeSet::new();
        for id in elements.iter().filter_map(|element| element.attribute("id")) {
            assert!(ids.insert(id), "two elements are #{id} in {}", page.path);
        }
        for element in &elements {
            for name in ["for", "aria-labelledby", "aria-describedby", "data-reveal", "data-strength"] {
                for id in element.attribute(name).unwrap_or_default().split_whitespace() {
                    assert!(ids.contains(id), "{name} names #{id}, which {} lacks", page.path);
                }
            }
        }
    }
}

/// F2: without its script a form is sent by nobody, or else not in a URL.
#[test]
fn no_form_can_put_what_was_typed_into_a_url() {
    for page in pages(&site(true)) {
        for element in elements(page) {
            if element.name == "form" {
                let method = element.attribute("method");
                assert!(matches!(method, Some("post" | "dialog")), "{}", page.path);
            }
            if element.name == "button" && element.attribute("type") == Some("submit") {
                assert!(element.attribute("disabled").is_some(), "{}", page.path);
            }
        }
    }
}

#[test]
fn a_page_that_waits_for_its_script_says_so_where_there_is_none() {
    for page in pages(&site(true)) {
        let elements = elements(page);
        let waits = elements.iter().any(|element| {
            element.attribute("data-view").is_some() || element.attribute("type") == Some("submit")
        });
        if waits {
            assert!(elements.iter().any(|element| element.name == "noscript"), "{}", page.path);
        }
    }
}

#[test]
fn assets_are_kept_for_ever_and_pages_are_not() {
    let site = site(false);
    for file in &site.files {
        let immutable = file.cache_control == "public, max-age=31536000, immutable";
        assert_eq!(immutable, file.path.starts_with("/assets/"), "{}", file.path);
        assert!(immutable || file.cache_control == "no-cache", "{}", file.path);
    }
    assert_eq!(site.get("/").map(|page| page.content_type), Some("text/html; charset=utf-8"));
    assert_eq!(site.not_found().path, "/404");
    assert!(site.get("/sign-in.html").is_none());
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    assert_eq!(site(true).files, site(true).files);
}

#[test]
fn the_console_is_named_only_where_there_is_one() {
    assert!(pages(&site(true)).any(|page| text(page).contains("/_local")));
    for page in pages(&site(false)) {
        assert!(!text(page).contains("/_local"), "{}", page.path);
    }
}

#[test]
fn a_page_from_elsewhere_stands_in_the_sites_shell() {
    let source = "{% extends \"console.html\" %}{% set path = \"/_local\" %}\
        {% block title %}Flows{% endblock %}{% block main %}<h1>{{ heading }}</h1>{% endblock %}";
    let context = std::collections::BTreeMap::from([("heading", "A & <B>")]);
    let html = render_page(&site(true), source, context).expect("it renders");
    assert!(html.contains("<h1>A &amp; &lt;B&gt;</h1>"), "{html}");
    assert!(html.contains("<title>Flows · Billion</title>"), "{html}");
    assert!(html.contains("<a href=\"/_local\" aria-current=\"page\">Flows</a>"), "{html}");
}

#[test]
fn a_wrong_template_is_named_with_its_line() {
    let error = render_page(&site(true), "\n{% if %}", ()).expect_err("it is wrong");
    assert!(error.to_string().contains("page.html:2"), "{error}");
}

#[test]
fn every_source_file_is_watched() {
    let sources = frontend::sources().expect("they can be listed");
    for name in ["sign-in.html", "split.html", "tokens.css", "api.js", "favicon.svg"] {
        assert!(sources.iter().any(|source| source.path.ends_with(name)), "{name}");
    }
}

fn assert_leads_somewhere(site: &Site, page: &File, target: &str) {
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let elsewhere = path.starts_with("/api/") || path == "/_local" || path.starts_with("/_local/");
    if elsewhere {
        return;
    }
    let file = if path.is_empty() { Some(page) } else { site.get(path) };
    let file = file.unwrap_or_else(|| panic!("{} links to {target}, which is nothing", page.path));
    assert!(
        fragment.is_empty() || text(file).contains(&format!("id=\"{fragment}\"")),
        "{} links to {target}, which has no such part",
        page.path,
    );
}

fn site(console: bool) -> Site {
    render(&Options { name: "Billion".into(), console }).expect("the site renders")
}

fn both() -> [Site; 2] {
    [site(false), site(true)]
}

fn pages(site: &Site) -> impl Iterator<Item = &File> {
    site.files.iter().filter(|file| file.content_type.starts_with("text/html"))
}

fn text(file: &File) -> &str {
    std::str::from_utf8(&file.body).expect("it is UTF-8")
}

struct Element<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    /// Whether it, or one around it, is not shown when the page comes.
    hidden: bool,
}

impl Element<'_> {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }
}

/// The page's start tags. It reads HTML as strictly as this site writes it, and refuses the rest.
fn elements(page: &File) -> Vec<Element<'_>> {
    let mut rest = text(page);
    let mut open: Vec<(&str, bool)> = Vec::new();
    let mut found = Vec::new();
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            let (opened, _) = open.pop().unwrap_or_default();
            assert_eq!(opened, name, "an element is not closed in {}", page.path);
            continue;
        }
        let closed = tag.ends_with('/');
        let (name, mut left) = tag.trim_end_matches('/').split_once([' ', '\n']).unwrap_or((tag, ""));
        let mut attributes = Vec::new();
        while !left.trim_start().is_empty() {
            left = left.trim_start();
            let ends = left.find(['=', ' ', '\n']).unwrap_or(left.len());
            let attribute = &left[..ends];
            left = &left[ends..];
            let mut value = "";
            if let Some(quoted) = left.strip_prefix("=\"") {
                (value, left) = quoted.split_once('"').expect("a value ends");
            }
            attributes.push((attribute, value));
        }
        let around = open.last().is_some_and(|(_, hidden)| *hidden);
        let hidden = around || name == "template" || attributes.iter().any(|(name, _)| *name == "hidden");
        if !closed && !VOID.contains(&name) {
            open.push((name, hidden));
        }
        found.push(Element { name, attributes, hidden });
    }
    assert!(open.is_empty(), "{open:?} is not closed in {}", page.path);
    found
}
