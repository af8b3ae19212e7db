//! Metadata: <https://docs.stripe.com/api/metadata>.

use std::collections::BTreeMap;

/// Metadata that are set; an empty value means none.
pub(super) fn given(metadata: BTreeMap<String, String>) -> BTreeMap<String, String> {
    metadata.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Keys that are given are set or, if empty, unset; the others stay.
pub(super) fn merge(current: &mut BTreeMap<String, String>, changes: BTreeMap<String, String>) {
    for (key, value) in changes {
        if value.is_empty() {
            current.remove(&key);
        } else {
            current.insert(key, value);
        }
    }
}
