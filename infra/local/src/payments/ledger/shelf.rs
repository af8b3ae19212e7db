//! Objects of one kind in the order in which they were made, and which of them have changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What can be kept on a [`Shelf`].
pub(crate) trait Kept: Serialize + DeserializeOwned {
    /// The kind's name in the database.
    const KIND: &'static str;

    fn id(&self) -> &str;
}

/// All objects of one kind.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    objects: BTreeMap<u64, T>,
    numbers: HashMap<String, u64>,
    changed: BTreeSet<u64>,
    removed: Vec<u64>,
}

/// An object as the database keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Rises with each new object of any kind.
    pub(crate) number: u64,
    pub(crate) kind: String,
    pub(crate) id: String,
    /// JSON; none if it is to be deleted.
    pub(crate) body: Option<String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            numbers: HashMap::new(),
            changed: BTreeSet::new(),
            removed: Vec::new(),
        }
    }
}

impl<T: Kept> Shelf<T> {
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.objects.get(self.numbers.get(id)?)
    }

    /// The object, which counts as changed from now on.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let number = self.numbers.get(id)?;
        self.changed.insert(*number);
        self.objects.get_mut(number)
    }

    /// The newest last.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.objects.values()
    }

    pub(crate) fn insert(&mut self, number: u64, object: T) {
        self.numbers.insert(object.id().to_owned(), number);
        self.changed.insert(number);
        self.objects.insert(number, object);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(number) = self.numbers.remove(id) {
            self.objects.remove(&number);
            self.changed.remove(&number);
            self.removed.push(number);
        }
    }

    /// Takes a row back that [`Self::take_changes`] has given.
    pub(crate) fn restore(&mut self, row: &Row) -> serde_json::Result<()> {
        let object: T = serde_json::from_str(row.body.as_deref().unwrap_or_default())?;
        self.insert(row.number, object);
        self.changed.clear();
        Ok(())
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_changes(&mut self, into: &mut Vec<Row>) {
        let row = |number, id: &str, body| Row { number, kind: T::KIND.to_owned(), id: id.to_owned(), body };
        for number in std::mem::take(&mut self.changed) {
            if let Some(object) = self.objects.get(&number) {
                let body = serde_json::to_string(object).expect("objects are plain data");
                into.push(row(number, object.id(), Some(body)));
            }
        }
        into.extend(std::mem::take(&mut self.removed).into_iter().map(|number| row(number, "", None)));
    }
}
