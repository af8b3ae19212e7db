//! Which route takes a request: the most specific one, as API Gateway selects it.

use std::cmp::Reverse;

use infra_model::{Function, Route};
use percent_encoding::percent_decode_str;

use super::throttle::Bucket;

/// All routes, the most specific first.
pub(super) struct Routes(Vec<Target>);

/// A route and what stands behind it.
pub(super) struct Target {
    /// As `POST /api/auth/sign-up`, `ANY /api/{proxy+}` or `$default`.
    pub(super) key: String,
    pub(super) function: &'static Function,
    pub(super) throttle: Bucket,
    method: Option<&'static str>,
    pattern: Pattern,
}

/// A path's parameters by name, decoded.
pub(super) type Parameters = Vec<(&'static str, String)>;

enum Pattern {
    Default,
    Path(Vec<Segment>),
}

/// Ordered by how specific it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(&'static str),
    One(&'static str),
    Rest(&'static str),
}

impl Routes {
    /// Routes whose function the app lacks are left out; the model's own test refuses them.
    pub(super) fn new(app: &'static infra_model::App) -> Self {
        let mut targets: Vec<_> = app.routes.iter().filter_map(|route| Target::new(app, route)).collect();
        targets.sort_by_key(Target::rank);
        Self(targets)
    }

    /// The route for a path as it was sent.
    pub(super) fn select(&self, method: &str, path: &str) -> Option<(&Target, Parameters)> {
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        self.0.iter().find_map(|target| {
            let takes = target.method.is_none_or(|wanted| wanted == method);
            let parameters = takes.then(|| target.pattern.matches(&segments))??;
            Some((target, parameters))
        })
    }
}

impl Target {
    fn new(app: &'static infra_model::App, route: &Route) -> Option<Self> {
        let is_default = route.path == "$default";
        Some(Self {
            key: if is_default { route.path.to_owned() } else { format!("{} {}", route.method, route.path) },
            function: app.function(route.function)?,
            throttle: Bucket::full(route.throttle),
            method: (route.method != "ANY").then_some(route.method),
            pattern: if is_default { Pattern::Default } else { Pattern::parse(route.path) },
        })
    }

    /// Full matches come before greedy ones, and `$default` last; then what is literal, and what
    /// goes deeper, wins; then a method of its own.
    fn rank(&self) -> impl Ord + use<> {
        let (kind, segments) = match &self.pattern {
            Pattern::Default => (2, Vec::new()),
            Pattern::Path(segments) => {
                let greedy = segments.iter().any(|segment| matches!(segment, Segment::Rest(_)));
                (u8::from(greedy), segments.clone())
            }
        };
        let shape: Vec<_> = segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(_) => 0_u8,
                Segment::One(_) => 1,
                Segment::Rest(_) => 2,
            })
            .collect();
        (kind, shape, Reverse(segments.len()), self.method.is_none())
    }
}

impl Pattern {
    fn parse(path: &'static str) -> Self {
        let segments = path.trim_start_matches('/').split('/').map(|segment| {
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Rest(name),
                    None => Segment::One(name),
                },
                None => Segment::Literal(segment),
            }
        });
        Self::Path(segments.collect())
    }

    fn matches(&self, path: &[&str]) -> Option<Parameters> {
        let Self::Path(segments) = self else { return Some(Vec::new()) };
        let mut parameters = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            match *segment {
                Segment::Literal(text) => (path.get(index) == Some(&text)).then_some(())?,
                Segment::One(name) => parameters.push((name, decoded(path.get(index)?)?)),
                Segment::Rest(name) => {
                    parameters.push((name, decoded(&path.get(index..)?.join("/"))?));
                    return Some(parameters);
                }
            }
        }
        (path.len() == segments.len()).then_some(parameters)
    }
}

/// A parameter must not be empty.
fn decoded(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use infra_model::{APP, App, Throttle};

    use super::*;

    const fn route(method: &'static str, path: &'static str) -> Route {
        Route { method, path, function: "api", throttle: Throttle { rate: 1, burst: 1 } }
    }

    /// Deliberately in no order.
    const ROUTES: App = App {
        routes: &[
            route("ANY", "$default"),
            route("ANY", "/{proxy+}"),
            route("ANY", "/pets/{proxy+}"),
            route("GET", "/pets/{proxy+}"),
            route("ANY", "/pets/{kind}/{name}"),
            route("GET", "/pets/dog/{name}"),
            route("GET", "/pets/dog/1"),
            route("ANY", "/pets/dog/1"),
        ],
        ..APP
    };

    #[test]
    fn the_most_specific_route_wins() {
        let routes = Routes::new(&ROUTES);
        for (method, path, key) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("PUT", "/pets/dog/1", "ANY /pets/dog/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{name}"),
            ("PUT", "/pets/dog/2", "ANY /pets/{kind}/{name}"),
            ("GET", "/pets/cat", "GET /pets/{proxy+}"),
            ("PUT", "/pets/cat", "ANY /pets/{proxy+}"),
            ("GET", "/cars/red/old", "ANY /{proxy+}"),
            ("GET", "/pets", "ANY /{proxy+}"),
            ("GET", "/", "$default"),
            ("GET", "/pets/", "ANY /{proxy+}"),
        ] {
            let (target, _) = routes.select(method, path).unwrap();
            assert_eq!(target.key, key, "{method} {path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let routes = Routes::new(&ROUTES);
        let (_, parameters) = routes.select("PUT", "/pets/dog/Fr%C3%A4nzi%2F2").unwrap();
        assert_eq!(parameters, [("kind", "dog".to_owned()), ("name", "Fränzi/2".to_owned())]);
        let (_, parameters) = routes.select("PUT", "/pets/a/b/c").unwrap();
        assert_eq!(parameters, [("proxy", "a/b/c".to_owned())]);
    }

    #[test]
    fn the_apps_own_routes_lead_where_the_model_says() {
        let routes = Routes::new(&APP);
        for (method, path, key, function) in [
            ("POST", "/api/auth/sign-up", "POST /api/auth/sign-up", "auth"),
            ("GET", "/api/auth/sign-up", "ANY /api/auth/{proxy+}", "auth"),
            ("GET", "/api/health", "ANY /api/{proxy+}", "api"),
            ("GET", "/api/", "$default", "api"),
        ] {
            let (target, _) = routes.select(method, path).unwrap();
            assert_eq!((&*target.key, target.function.name), (key, function), "{method} {path}");
        }
    }
}
