use std::collections::BTreeMap;

/// The modules in `scripts/`, and which of them each one imports.
///
/// A browser learns of an import only when it has read the importing module. A page that names the
/// modules that its script will reach has them fetched side by side instead of one after another.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    imports: BTreeMap<String, Vec<String>>,
}

impl Scripts {
    pub(crate) fn add(&mut self, name: String, source: &str) {
        let imports = source.lines().filter_map(imported).map(str::to_owned).collect();
        self.imports.insert(name, imports);
    }

    /// The modules that a script imports, and those that they import, without the script itself.
    pub(crate) fn reached_from(&self, script: &str) -> Vec<String> {
        let mut reached = vec![script.to_owned()];
        let mut next = 0;
        while let Some(module) = reached.get(next) {
            for import in self.imports.get(module).cloned().unwrap_or_default() {
                if !reached.contains(&import) {
                    reached.push(import);
                }
            }
            next += 1;
        }
        reached.split_off(1)
    }
}

/// The module named by the last line of a static import: `import { a } from "./b.js";` or, when it
/// spans lines, `} from "./b.js";`.
fn imported(line: &str) -> Option<&str> {
    let line = line.trim_end().strip_suffix("\";")?;
    if !line.starts_with("import ") && !line.starts_with("} from ") {
        return None;
    }
    Some(line.rsplit_once("\"./")?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_followed_and_named_once() {
        let mut scripts = Scripts::default();
        scripts.add("page.js".into(), "import { a } from \"./a.js\";\nimport \"./b.js\";\n");
        scripts.add("a.js".into(), "import {\n  one,\n  two,\n} from \"./b.js\";\n");
        scripts.add("b.js".into(), "import { a } from \"./a.js\";\nconst x = \"./no.js\";\n");
        assert_eq!(scripts.reached_from("page.js"), ["a.js", "b.js"]);
        assert!(scripts.reached_from("none.js").is_empty());
    }
}
