//! Lists of objects in a request: messages, leases, refs.
//!
//! The whole list is read in one pass, whatever stands in it, so that a wrong entry is told by its place and not by a
//! parser's words. Invariants: no more entries are kept than the request may have, however many come; after a wrong one
//! the rest is only counted, and still has to be JSON.

use core::fmt;
use core::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::fault::Fault;
use crate::fields::Reader;

/// A list as it was sent, of `MAX` entries at the most; what comes after them is counted.
pub(crate) struct Entries<T, const MAX: usize> {
    kept: Vec<T>,
    count: usize,
    wrong: Option<Wrong>,
}

/// What stands where something else must.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// In place of the list.
    List(&'static str),
    /// In place of this entry.
    Entry(usize, &'static str),
}

impl<T, const MAX: usize> Entries<T, MAX> {
    /// How many were sent.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The entries, the first `MAX` of them; each must be `what`, such as "an object with a ref".
    pub(crate) fn read(self, reader: Reader, field: &str, what: &str) -> Result<Vec<T>, Fault> {
        match self.wrong {
            None => Ok(self.kept),
            Some(Wrong::List(shape)) => {
                Err(reader.refuse(field, format!("{field} must be a list, not {shape}")))
            }
            Some(Wrong::Entry(index, shape)) => {
                let why = format!("each entry of {field} must be {what}, not {shape}");
                Err(reader.refuse(&format!("{field}/{index}"), why))
            }
        }
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Entries<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(Shapes::<List<T, MAX>>(PhantomData))? {
            Ok(List(entries)) => entries,
            Err(shape) => Self { kept: Vec::new(), count: 0, wrong: Some(Wrong::List(shape)) },
        })
    }
}

/// Reads one shape of JSON and tells every other by its name.
struct Shapes<S>(PhantomData<S>);

/// The shape that is wanted; the other one of the two is only passed over.
trait Shape<'de>: Sized {
    const WANTED: &'static str;

    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Result<Self, &'static str>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err("an array"))
    }

    fn of_object<A: MapAccess<'de>>(mut object: A) -> Result<Result<Self, &'static str>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Err("an object"))
    }
}

struct List<T, const MAX: usize>(Entries<T, MAX>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Shape<'de> for List<T, MAX> {
    const WANTED: &'static str = "a list";

    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Result<Self, &'static str>, A::Error> {
        let mut entries = Entries { kept: Vec::new(), count: 0, wrong: None };
        while entries.count < MAX && entries.wrong.is_none() {
            match list.next_element()? {
                None => return Ok(Ok(Self(entries))),
                Some(Entry(Ok(entry))) => entries.kept.push(entry),
                Some(Entry(Err(shape))) => entries.wrong = Some(Wrong::Entry(entries.count, shape)),
            }
            entries.count += 1;
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            entries.count += 1;
        }
        Ok(Ok(Self(entries)))
    }
}

/// One entry, or what stands in its place.
struct Entry<T>(Result<T, &'static str>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entry = deserializer.deserialize_any(Shapes::<Object<T>>(PhantomData))?;
        Ok(Self(entry.map(|Object(fields)| fields)))
    }
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Shape<'de> for Object<T> {
    const WANTED: &'static str = "an object";

    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Result<Self, &'static str>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|fields| Ok(Self(fields)))
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Shapes<S> {
    type Value = Result<S, &'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(S::WANTED)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        S::of_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        S::of_object(object)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Err("null"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Err("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Err("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Err("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Err("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Err("a string"))
    }
}
