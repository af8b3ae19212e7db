//! The parameters of a request, as Stripe takes them: a form with names such as
//! `line_items[0][price]`. Each is taken out by whoever knows it; what is left over is refused.

use std::collections::BTreeMap;

use super::refusal::Refusal;

/// The parameters that nobody has taken yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a form, as a body or a query.
    ///
    /// # Errors
    /// If a name is given twice, or its brackets are not right.
    pub(crate) fn parse(form: &[u8]) -> Result<Self, Refusal> {
        let mut params = BTreeMap::new();
        let mut unnamed = 0;
        for (name, value) in form_urlencoded::parse(form) {
            // `expand[]` may come again and again.
            let name = match name.strip_suffix("[]") {
                Some(list) => {
                    unnamed += 1;
                    format!("{list}[+{unnamed:04}]")
                }
                None => name.into_owned(),
            };
            if name.matches('[').count() != name.matches(']').count() {
                return Err(Refusal::invalid(format!("Invalid parameter name: {name}")));
            }
            if params.insert(name.clone(), value.into_owned()).is_some() {
                return Err(Refusal::invalid(format!("The parameter {name} is given twice.")));
            }
        }
        Ok(Self(params))
    }

    /// All of them in one order, so that equal requests look alike.
    pub(crate) fn fingerprint(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&self.0);
        form.finish()
    }

    /// A parameter that may be missing.
    ///
    /// # Errors
    /// If it is empty, which unsets what cannot be unset.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.0.remove(name) {
            Some(text) if text.is_empty() => {
                let message = format!(
                    "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a \
                     parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or \
                     supply a non-empty value."
                );
                Err(Refusal::invalid_param("parameter_invalid_empty", name, message))
            }
            text => Ok(text),
        }
    }

    /// As [`Self::text`], but empty where it is to be unset.
    pub(crate) fn text_or_unset(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<String, Refusal> {
        let missing =
            || Refusal::invalid_param("parameter_missing", name, format!("Missing required param: {name}."));
        self.text(name)?.ok_or_else(missing)
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let message = format!("Invalid integer: {text}");
        let refusal = || Refusal::invalid_param("parameter_invalid_integer", name, message);
        text.parse().map(Some).map_err(|_| refusal())
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        self.one_of(name, &[("true", true), ("false", false)])
    }

    /// One of these values.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let chosen = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        let known: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
        let message = format!("Invalid {name}: must be one of {}", known.join(", "));
        chosen.map(Some).ok_or_else(|| Refusal::invalid_param("parameter_unknown", name, message))
    }

    /// What can only be so here: another value is refused rather than ignored.
    pub(crate) fn only(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match self.text(name)? {
            Some(other) if other != value => Err(Refusal::invalid_param(
                "parameter_unknown",
                name,
                format!("This simulator takes {name}={value} only, not {other}."),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// `name[key]=value` for every key; an empty value unsets its key.
    pub(crate) fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        self.take_below(name)
            .into_iter()
            .map(|(rest, value)| (rest.trim_start_matches('[').trim_end_matches(']').to_owned(), value))
            .collect()
    }

    /// `name[0]`, `name[1]`, … or `name[]` again and again.
    pub(crate) fn list(&mut self, name: &str) -> Vec<String> {
        let mut entries: Vec<_> = self.take_below(name).into_iter().collect();
        entries.sort_by_key(|(index, _)| index.trim_matches(['[', ']']).parse::<u32>().unwrap_or(u32::MAX));
        entries.into_iter().map(|(_, value)| value).collect()
    }

    /// How many entries `name[0][…]`, `name[1][…]`, … there are.
    pub(crate) fn count(&self, name: &str) -> usize {
        let below = format!("{name}[");
        let mut indices: Vec<_> =
            self.0.keys().filter_map(|key| key.strip_prefix(&below)?.split(']').next()).collect();
        indices.dedup();
        indices.len()
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// If somebody has sent what nobody here knows.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Refusal::invalid_param(
                "parameter_unknown",
                name,
                format!("Received unknown parameter: {name} (this simulator may lack what Stripe has)"),
            )),
        }
    }

    fn take_below(&mut self, name: &str) -> BTreeMap<String, String> {
        let below = format!("{name}[");
        let taken: Vec<_> = self.0.keys().filter(|key| key.starts_with(&below)).cloned().collect();
        taken
            .into_iter()
            .filter_map(|key| {
                let value = self.0.remove(&key)?;
                Some((key[name.len()..].to_owned(), value))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(form: &str) -> Params {
        Params::parse(form.as_bytes()).unwrap()
    }

    #[test]
    fn lists_keep_their_order_however_they_are_written() {
        let order = ["a", "b", "c"];
        assert_eq!(params("expand[]=a&expand[]=b&expand[]=c").list("expand"), order);
        assert_eq!(params("expand[2]=c&expand[0]=a&expand[1]=b").list("expand"), order);
        let many: String = (0..12).map(|index| format!("x[{index}]={index}&")).collect();
        assert_eq!(params(&many).list("x").last().map(String::as_str), Some("11"));
    }

    #[test]
    fn what_is_wrong_is_said_as_stripe_says_it() {
        let mut form = params("a=&n=x&b=perhaps&metadata[k]=v&metadata[l]=&left=1");
        assert_eq!(form.text("a").unwrap_err().code, Some("parameter_invalid_empty"));
        assert_eq!(form.integer("n").unwrap_err().code, Some("parameter_invalid_integer"));
        assert!(form.boolean("b").is_err());
        let missing = form.required("customer").unwrap_err();
        assert_eq!(missing.message, "Missing required param: customer.");
        assert_eq!(form.map("metadata")["k"], "v");
        let unknown = form.finish().unwrap_err();
        assert_eq!((unknown.code, unknown.param.as_deref()), (Some("parameter_unknown"), Some("left")));
        assert!(Params::parse(b"a=1&a=2").is_err());
        assert!(Params::parse(b"a[0=1").is_err());
    }

    #[test]
    fn equal_requests_have_one_fingerprint() {
        assert_eq!(params("b=2&a=1").fingerprint(), params("a=1&b=2").fingerprint());
        assert_ne!(params("a=12").fingerprint(), params("a=1&b=2").fingerprint());
    }
}
